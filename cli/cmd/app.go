// Package cmd is the command line: the tree of commands, their flags, exit
// codes and messages. Commands reach a daemon through cli/client only and touch
// the world only through an App, so that all of it runs in a test.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// App is everything that a run of the command line touches outside itself. An
// App serves one run at a time.
type App struct {
	Version  string
	Stdin    io.Reader
	Stdout   io.Writer // results
	Stderr   io.Writer // progress, hints, errors
	Env      func(name string) string
	Now      func() time.Time
	Wait     func(ctx context.Context, d time.Duration) error // returns early with ctx's error
	Terminal Terminal
}

// Terminal says which streams a person looks at.
type Terminal struct {
	Stdin  bool // questions can be asked
	Stderr bool // progress may redraw its line
	// Secret reads a line without showing it; needed only when Stdin is set.
	Secret func() (string, error)
}

// System is the App of a real process.
func System(version string) *App {
	return &App{
		Version: version,
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env: os.Getenv, Now: time.Now, Wait: wait,
		Terminal: Terminal{
			Stdin:  term.IsTerminal(int(os.Stdin.Fd())),
			Stderr: term.IsTerminal(int(os.Stderr.Fd())),
			Secret: func() (string, error) {
				line, err := term.ReadPassword(int(os.Stdin.Fd()))
				return string(line), err
			},
		},
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Main runs one command line, args[0] being the program's name, and gives the
// exit code. What went wrong is on Stderr by then. It does not panic.
func (a *App) Main(ctx context.Context, args []string) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(a.Stderr, "error: muster has a fault: %v\n\n%s", p, debug.Stack())
			code = exitOther
		}
	}()
	err := a.run(ctx, args)
	if err == nil {
		return exitOK
	}
	p := explain(err)
	p.print(a.Stderr)
	return p.code
}

func (a *App) run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[1] == "--version" {
		args = []string{args[0], "version"}
	}
	root := a.root()
	l := permute(root.Flags, root.Commands, args)
	if l.help {
		return showHelp(a.Stdout, root, l.command)
	}
	if err := root.RunContext(ctx, l.argv); err != nil {
		return inCommand(err, l.name())
	}
	return nil
}

// root builds the tree anew for every run: urfave/cli keeps state in it.
func (a *App) root() *cli.App {
	root := &cli.App{
		Name: "muster", HelpName: "muster", Version: a.Version,
		Usage:    "scan registries once, decide everywhere",
		Flags:    globalFlags(),
		Commands: a.commands(),
		Reader:   a.Stdin, Writer: a.Stdout, ErrWriter: a.Stderr,
		HideHelp: true, HideVersion: true, DisableSliceFlagSeparator: true,
		OnUsageError:   onUsageError,
		ExitErrHandler: func(*cli.Context, error) {}, // Main decides
		Action:         groupAction,
		Metadata:       map[string]any{},
	}
	for _, c := range root.Commands {
		finish(c)
	}
	return root
}

// finish gives a command and those below it what all have in common.
func finish(c *cli.Command) {
	c.HideHelp = true
	c.OnUsageError = onUsageError
	if c.Action == nil {
		c.Action = groupAction
	}
	for _, sub := range c.Subcommands {
		finish(sub)
	}
}

// onUsageError turns a flag that does not parse into our own kind of error.
func onUsageError(_ *cli.Context, err error, _ bool) error {
	// Package flag has no type for this, and writes one dash where people write two.
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return usagef("there is no flag --%s", name)
	}
	return usagef("%w", err)
}

// groupAction runs when no command below was named.
func groupAction(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("there is no command %q", c.Args().First())
	}
	if c.Command.Name == c.App.Name {
		return errors.Join(showHelp(c.App.ErrWriter, c.App, nil), usagef("a command is needed"))
	}
	return usagef("%q needs one of its commands: %s", c.Command.Name, names(c.Command.Subcommands))
}
