package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// smallTree is a tree with every kind of flag that matters.
func smallTree() (global []cli.Flag, commands []*cli.Command) {
	global = []cli.Flag{&cli.StringFlag{Name: "output", Aliases: []string{"o"}}}
	commands = []*cli.Command{
		{Name: "status"},
		{Name: "reg", Subcommands: []*cli.Command{
			{Name: "add", Flags: []cli.Flag{
				&cli.StringFlag{Name: "url"}, &cli.StringSliceFlag{Name: "filter"}, &cli.BoolFlag{Name: "test"},
				&cli.IntFlag{Name: "n"}, &cli.DurationFlag{Name: "ttl"},
			}},
		}},
		{Name: "own", Flags: []cli.Flag{&cli.BoolFlag{Name: "output"}}},
	}
	return global, commands
}

func TestPermute(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in, want string
		help     bool
	}{
		"nothing":                           {"", "", false},
		"a command":                         {"status", "status", false},
		"flags behind arguments":            {"reg add NAME --url u --test", "reg add --url u --test -- NAME", false},
		"flags between arguments":           {"reg add A --test B", "reg add --test -- A B", false},
		"a flag with =":                     {"reg add A --url=u B", "reg add --url=u -- A B", false},
		"a bool takes no argument":          {"reg add --test A", "reg add --test -- A", false},
		"a bool with =":                     {"reg add --test=false A", "reg add --test=false -- A", false},
		"one dash is enough":                {"reg add A -url u", "reg add -url u -- A", false},
		"global flags come first":           {"reg add A -o json", "-o json reg add -- A", false},
		"global flags in front":             {"--output json reg add A", "--output json reg add -- A", false},
		"global between group and command":  {"reg -o json add A", "-o json reg add -- A", false},
		"a value that looks like a flag":    {"reg add A --filter --test", "reg add --filter --test -- A", false},
		"a value that looks like a command": {"reg --output add add A", "--output add reg add -- A", false},
		"repeated":                          {"reg add --filter a A --filter b", "reg add --filter a --filter b -- A", false},
		"numbers and durations":             {"reg add A --n 3 --ttl 5m", "reg add --n 3 --ttl 5m -- A", false},
		"after -- nothing is a flag":        {"reg add --test -- --url -o", "reg add --test -- --url -o", false},
		"a second -- is an argument":        {"reg add -- a -- b", "reg add -- a -- b", false},
		"a lone dash is an argument":        {"reg add - --test", "reg add --test -- -", false},
		"an unknown flag stays":             {"reg add A --what", "reg add --what -- A", false},
		"a missing value stays missing":     {"reg add A --url", "reg add --url -- A", false},
		"an argument named as a command":    {"reg add status", "reg add -- status", false},
		"an unknown command":                {"nope status", "-- nope status", false},
		"the command's own flag wins":       {"own --output A", "own --output -- A", false},
		"help anywhere":                     {"reg add A --help", "reg add -- A", true},
		"help in short":                     {"reg -h", "reg", true},
		"help as a word":                    {"help reg add", "reg add", true},
		"help as an argument":               {"reg add help", "reg add -- help", false},
		"help as a value":                   {"reg add A --url --help", "reg add --url --help -- A", false},
		"help behind --":                    {"reg add -- --help", "reg add -- --help", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			global, commands := smallTree()
			got := permute(global, commands, append([]string{"muster"}, strings.Fields(tt.in)...))
			want := append([]string{"muster"}, strings.Fields(tt.want)...)
			if diff := cmp.Diff(want, got.argv); diff != "" {
				t.Errorf("argv (-want +got):\n%s", diff)
			}
			if got.help != tt.help {
				t.Errorf("help = %t", got.help)
			}
		})
	}
}

// FuzzPermute: no word is lost or made up, whatever the order.
func FuzzPermute(f *testing.F) {
	f.Add("reg add A --url u --test -o json")
	f.Add("reg -- add --help")
	f.Add("- -- - --=x -")
	f.Fuzz(func(t *testing.T, in string) {
		words := strings.Fields(in)
		global, commands := smallTree()
		l := permute(global, commands, append([]string{"muster"}, words...))
		if l.help {
			return // the words that ask for help are dropped
		}
		count := func(list []string) map[string]int {
			m := map[string]int{}
			for _, w := range list {
				if w != "--" {
					m[w]++
				}
			}
			return m
		}
		if diff := cmp.Diff(count(words), count(l.argv[1:])); diff != "" {
			t.Errorf("words of %q (-in +out):\n%s", in, diff)
		}
	})
}

// TestTree holds every command of the program to what all have in common.
func TestTree(t *testing.T) {
	t.Parallel()
	root := (&App{}).root()
	var walk func(prefix string, commands []*cli.Command)
	walk = func(prefix string, commands []*cli.Command) {
		for _, c := range commands {
			name := prefix + " " + c.Name
			if c.Usage == "" {
				t.Errorf("%s does not say what it does", name)
			}
			if prefix == "muster" && !c.Hidden && !slices.Contains(groups(), c.Category) {
				t.Errorf("%s is in the group %q, which help does not show", name, c.Category)
			}
			for _, f := range c.Flags {
				if doc, ok := f.(cli.DocGenerationFlag); !ok || doc.GetUsage() == "" {
					t.Errorf("%s: --%s does not say what it does", name, f.Names()[0])
				}
				for _, n := range f.Names() {
					if flagNamed(root.Flags, n) != nil {
						t.Errorf("%s: --%s hides the global flag", name, n)
					}
				}
				for _, secret := range []string{"password", "token", "apikey", "secret"} {
					if slices.Contains(f.Names(), secret) {
						t.Errorf("%s: --%s would put a secret on the command line", name, secret)
					}
				}
			}
			walk(name, c.Subcommands)
		}
	}
	walk("muster", root.Commands)
}
