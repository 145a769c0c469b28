package cmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
)

// invocation is one command being run: the App with its flags and arguments.
type invocation struct {
	*App
	flags  *cli.Context
	format output.Format
}

// handler does the work of a command.
type handler func(ctx context.Context, in *invocation) error

// remote does the work of a command that asks the daemon.
type remote func(ctx context.Context, in *invocation, c *client.Client) error

// local makes an action of a handler: it checks what all commands have in
// common (the number of arguments, the output format) before anything is done.
func (a *App) local(h handler) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := checkArgs(c.Command.ArgsUsage, c.Args().Slice()); err != nil {
			return err
		}
		format, err := output.ParseFormat(c.String("output"))
		if err != nil {
			return usagef("--output: %w", err)
		}
		return h(c.Context, &invocation{App: a, flags: c, format: format})
	}
}

// remote makes an action of a handler that asks the daemon.
func (a *App) remote(h remote) cli.ActionFunc {
	return a.local(func(ctx context.Context, in *invocation) error {
		c, err := in.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		return h(ctx, in, c)
	})
}

// arg is the i-th argument, or "".
func (in *invocation) arg(i int) string { return in.flags.Args().Get(i) }

// text is the value of a flag.
func (in *invocation) text(flag string) string { return in.flags.String(flag) }

// setting is a flag, or else the environment variable that stands for it.
func (in *invocation) setting(flag, env string) string {
	if v := in.text(flag); v != "" {
		return v
	}
	return in.Env(env)
}

// required is a flag without which the command makes no sense.
func (in *invocation) required(flag string) (string, error) {
	if v := in.text(flag); v != "" {
		return v, nil
	}
	return "", usagef("--%s is needed", flag)
}

// print writes the result.
func (in *invocation) print(value any, table func(*output.Table)) error {
	return output.Write(in.Stdout, in.format, value, table)
}

// hint tells the person something beside the result.
func (in *invocation) hint(format string, args ...any) {
	fmt.Fprintln(in.Stderr, output.Clean(fmt.Sprintf(format, args...)))
}

// ago is how long ago t was, in one unit; empty for the zero time.
func (in *invocation) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := in.Now().Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/day)
}

// stamp is a time for a table, in UTC; empty for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// checkArgs holds the arguments against the usage: "NAME" is one, "[NAME]" may
// be absent, "NAME..." is one or more.
func checkArgs(usage string, args []string) error {
	words := strings.Fields(usage)
	least, most := 0, len(words)
	for _, w := range words {
		if !strings.HasPrefix(w, "[") {
			least++
		}
		if strings.Contains(w, "...") {
			most = max(most, len(args))
		}
	}
	switch {
	case len(args) < least:
		return usagef("%s is missing", words[len(args)])
	case len(args) > most:
		return usagef("unexpected argument %q", args[most])
	}
	return nil
}
