package cmd

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/output"
)

// completeName is the hidden command that the shells' scripts call; it walks
// the same tree as the parser and so never lags behind it.
const completeName = "__complete"

func (a *App) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Category: groupShell, Usage: "print the completion script of a shell", ArgsUsage: "SHELL",
		Description: "SHELL is bash, zsh or fish. For example, in ~/.bashrc:\n  source <(muster completion bash)",
		Action:      a.local(completion),
	}
}

func completion(_ context.Context, in *invocation) error {
	script, ok := map[string]string{
		"bash": `_muster() {
	local IFS=$'\n'
	COMPREPLY=($(muster ` + completeName + ` -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _muster muster
`,
		"zsh": `#compdef muster
_muster() {
	local -a found
	found=("${(@f)$(muster ` + completeName + ` -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "${found[1]}" ]]; then compadd -a found; else _files; fi
}
compdef _muster muster
`,
		"fish": `complete -c muster -a '(muster ` + completeName + ` -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
	}[in.arg(0)]
	if !ok {
		return usagef("there is no completion for %q: use bash, zsh or fish", in.arg(0))
	}
	_, err := fmt.Fprint(in.Stdout, script)
	return err
}

func (a *App) completeCommand() *cli.Command {
	return &cli.Command{
		Name: completeName, Hidden: true, Usage: "print what may follow", ArgsUsage: "[WORD...]",
		Action: a.local(complete),
	}
}

// complete prints what the last word, perhaps empty, may become.
func complete(_ context.Context, in *invocation) error {
	words := in.flags.Args().Slice()
	last := ""
	if n := len(words); n > 0 {
		words, last = words[:n-1], words[n-1]
	}
	root := in.root()
	command := permute(root.Flags, root.Commands, append([]string{"muster"}, words...)).command
	below, flags := root.Commands, root.Flags
	if command != nil {
		below, flags = command.Subcommands, append(command.Flags, flags...)
	}
	var found []string
	if strings.HasPrefix(last, "-") {
		for _, f := range flags {
			found = append(found, "--"+f.Names()[0])
		}
	} else {
		for _, c := range below {
			if !c.Hidden {
				found = append(found, c.Name)
			}
		}
	}
	for _, word := range found {
		if strings.HasPrefix(word, last) {
			if _, err := fmt.Fprintln(in.Stdout, word); err != nil {
				return err
			}
		}
	}
	return nil
}

// versionView is what this program is.
type versionView struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *App) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Category: groupShell, Usage: "print the version of this program",
		Action: a.local(func(_ context.Context, in *invocation) error {
			v := versionView{Version: in.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			return in.print(v, func(t *output.Table) { t.Line("muster %s (%s, %s)", v.Version, v.Go, v.Platform) })
		}),
	}
}
