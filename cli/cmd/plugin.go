package cmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/plugins/builtin"
	"github.com/muster-sec/muster/plugins/sdk"
)

func (a *App) pluginCommand() *cli.Command {
	return &cli.Command{
		Name: "plugin", Category: groupDaemon, Usage: "the plugins of the daemon",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the plugins and how they are", Action: a.remote(listPlugins)},
			a.testPluginCommand(),
			a.servePluginCommand(),
		},
	}
}

func listPlugins(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := c.Plugins(ctx)
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("NAME", "KIND", "VERSION", "BUILT IN", "STATE", "SINCE", "PID", "CALLS", "RESTARTS", "RETRY", "CAPABILITIES", "LAST ERROR")
		for _, p := range list.Items {
			calls := strconv.FormatUint(p.Calls, 10)
			if p.InFlight > 0 {
				calls += fmt.Sprintf(" (%d now)", p.InFlight)
			}
			pid := ""
			if p.PID != 0 {
				pid = strconv.Itoa(p.PID)
			}
			t.Row(p.Name, p.Kind, p.Version, yesNo(p.Builtin), p.State, in.ago(p.Since), pid, calls, p.Restarts, in.ago(p.RetryAt),
				strings.Join(p.Capabilities, " "), p.LastError)
		}
	})
}

// servePluginCommand is how the daemon starts its built-in plugins.
func (a *App) servePluginCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Hidden: true, ArgsUsage: "KIND NAME", Usage: "serve a built-in plugin to the daemon that started this process",
		Action: a.local(func(_ context.Context, in *invocation) error {
			if err := builtin.Serve(sdk.Kind(in.arg(0)), in.arg(1), in.Version); err != nil {
				return fmt.Errorf("plugin %s %s: %w", in.arg(0), in.arg(1), err)
			}
			return nil
		}),
	}
}
