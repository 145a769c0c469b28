package cmd

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// line is a command line taken apart by the definitions of the tree.
type line struct {
	command *cli.Command // the deepest command named; nil for none
	path    []string     // its names from the top
	help    bool         // --help stood somewhere
	argv    []string     // the same line in the order that urfave/cli reads
}

// name is the command as a person types it.
func (l line) name() string { return strings.Join(append([]string{"muster"}, l.path...), " ") }

// permute reorders args so that flags may stand anywhere: global flags come
// first, then the command, its own flags, "--" and the arguments. What follows
// a "--" of the user is an argument whatever it looks like. A flag that neither
// the command nor the program knows stays with the command, whose parser names it.
func permute(global []cli.Flag, commands []*cli.Command, args []string) line {
	var l line
	var globals, own, rest []string
	below := commands
	for i := 1; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			rest = append(rest, args[i+1:]...)
			i = len(args)
		case isFlag(arg):
			name, _, valued := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			if name == "help" || name == "h" {
				l.help = true
				continue
			}
			words := []string{arg}
			flag, isGlobal := l.find(name, global)
			if takesValue(flag) && !valued && i+1 < len(args) {
				i++
				words = append(words, args[i])
			}
			if isGlobal {
				globals = append(globals, words...)
			} else {
				own = append(own, words...)
			}
		case arg == "help" && l.command == nil:
			l.help = true
		default:
			if sub := named(below, arg); sub != nil && len(rest) == 0 {
				l.command, l.path, below = sub, append(l.path, sub.Name), sub.Subcommands
				continue
			}
			rest = append(rest, arg)
		}
	}
	l.argv = slices.Concat(args[:min(1, len(args))], globals, l.path, own)
	if len(rest) > 0 {
		l.argv = append(append(l.argv, "--"), rest...)
	}
	return l
}

// find looks for a flag in the command, then among the global ones.
func (l line) find(name string, global []cli.Flag) (flag cli.Flag, isGlobal bool) {
	if l.command != nil {
		if f := flagNamed(l.command.Flags, name); f != nil {
			return f, false
		}
	}
	f := flagNamed(global, name)
	return f, f != nil
}

// isFlag is false for "-", which names a stream.
func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

func flagNamed(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	doc, ok := f.(cli.DocGenerationFlag)
	return ok && doc.TakesValue()
}

func named(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
