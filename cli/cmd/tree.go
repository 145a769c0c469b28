package cmd

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// The groups of the help text.
const (
	groupFederation = "Federation"
	groupImages     = "Images and registries"
	groupAdmission  = "Admission"
	groupAccess     = "Access"
	groupDaemon     = "Daemon"
	groupShell      = "This program"
)

// groups are in the order in which help shows them.
func groups() []string {
	return []string{groupFederation, groupImages, groupAdmission, groupAccess, groupDaemon, groupShell}
}

// commands is the whole tree; every line is one file's constructor.
func (a *App) commands() []*cli.Command {
	return []*cli.Command{
		a.promoteCommand(), a.demoteCommand(), a.tokenCommand(), a.joinCommand(), a.leaveCommand(), a.clusterCommand(),
		a.registryCommand(), a.imageCommand(), a.scanCommand(), a.submitCommand(), a.resultCommand(),
		a.ruleCommand(), a.admissionCommand(),
		a.loginCommand(), a.logoutCommand(), a.contextCommand(), a.accountCommand(), a.apikeyCommand(), a.auditCommand(),
		a.serveCommand(), a.statusCommand(), a.dbCommand(), a.pluginCommand(),
		a.completionCommand(), a.completeCommand(), a.versionCommand(),
	}
}

// globalFlags may stand anywhere on the command line.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "server", Usage: "`URL` of the daemon; default: the context in use (also MUSTER_SERVER)"},
		&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate authority of the server, PEM (also MUSTER_CA)"},
		&cli.StringFlag{Name: "fingerprint", Usage: "accept exactly the server certificate with this `SHA256` (also MUSTER_FINGERPRINT)"},
		&cli.StringFlag{Name: "apikey-file", Usage: "`FILE` with an API key, name:secret (also MUSTER_APIKEY_FILE, or the key in MUSTER_APIKEY)"},
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write results as `FORMAT`: table, json or yaml"},
	}
}

// names lists commands for a message.
func names(commands []*cli.Command) string {
	var all []string
	for _, c := range commands {
		if !c.Hidden {
			all = append(all, c.Name)
		}
	}
	return strings.Join(all, ", ")
}
