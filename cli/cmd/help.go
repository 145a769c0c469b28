package cmd

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// showHelp describes a command, or the whole program when command is nil.
func showHelp(w io.Writer, root *cli.App, command *cli.Command) error {
	var b strings.Builder
	if command == nil {
		fmt.Fprintf(&b, "muster: %s\n\nUsage:\n  muster COMMAND [OPTIONS] [ARGUMENTS]\n", root.Usage)
		for _, group := range groups() {
			helpCommands(&b, group, inGroup(root.Commands, group))
		}
		helpFlags(&b, "Options of every command", root.Flags)
		b.WriteString("\nMore about one of them: muster COMMAND --help\n")
	} else {
		fmt.Fprintf(&b, "%s: %s\n\nUsage:\n  %s\n", fullName(root.Commands, command), command.Usage, usageLine(root, command))
		if command.Description != "" {
			fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(command.Description))
		}
		helpCommands(&b, "Commands", command.Subcommands)
		helpFlags(&b, "Options", command.Flags)
		b.WriteString("\nOptions of every command: muster --help\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func helpCommands(b *strings.Builder, title string, commands []*cli.Command) {
	rows := make([][2]string, 0, len(commands))
	for _, c := range commands {
		if !c.Hidden {
			rows = append(rows, [2]string{c.Name, c.Usage})
		}
	}
	helpRows(b, title, rows)
}

func helpFlags(b *strings.Builder, title string, flags []cli.Flag) {
	rows := make([][2]string, 0, len(flags))
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		value, usage := placeholder(doc)
		var forms []string
		for _, name := range f.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			forms = append(forms, dashes+name)
		}
		rows = append(rows, [2]string{strings.TrimSpace(strings.Join(forms, ", ") + " " + value), usage})
	}
	helpRows(b, title, rows)
}

func helpRows(b *strings.Builder, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	tw := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(tw, "  %s\t%s\n", row[0], row[1])
	}
	tw.Flush() //nolint:errcheck // a strings.Builder does not fail
}

// placeholder takes the `VALUE` out of a flag's usage, as package flag does.
func placeholder(f cli.DocGenerationFlag) (value, usage string) {
	usage = f.GetUsage()
	if before, rest, ok := strings.Cut(usage, "`"); ok {
		if name, after, ok := strings.Cut(rest, "`"); ok {
			return name, before + name + after
		}
	}
	if f.TakesValue() {
		value = "VALUE"
	}
	return value, usage
}

func usageLine(root *cli.App, c *cli.Command) string {
	parts := []string{fullName(root.Commands, c)}
	if len(c.Subcommands) > 0 {
		parts = append(parts, "COMMAND")
	}
	if len(c.Flags) > 0 || len(c.Subcommands) > 0 {
		parts = append(parts, "[OPTIONS]")
	}
	if c.ArgsUsage != "" {
		parts = append(parts, c.ArgsUsage)
	}
	return strings.Join(parts, " ")
}

// fullName finds the way to a command.
func fullName(commands []*cli.Command, target *cli.Command) string {
	var walk func(prefix string, list []*cli.Command) string
	walk = func(prefix string, list []*cli.Command) string {
		for _, c := range list {
			name := prefix + " " + c.Name
			if c == target {
				return name
			}
			if found := walk(name, c.Subcommands); found != "" {
				return found
			}
		}
		return ""
	}
	return walk("muster", commands)
}

func inGroup(commands []*cli.Command, group string) []*cli.Command {
	var in []*cli.Command
	for _, c := range commands {
		if c.Category == group {
			in = append(in, c)
		}
	}
	return in
}
