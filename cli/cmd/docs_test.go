package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedCommandsExist holds every command line of the documentation
// against the tree: the command exists, and so does each of its flags.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var doc []byte
	for _, page := range append(pages, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		doc = append(doc, text...)
	}
	quoted := regexp.MustCompile(`'[^']*'`)
	seen := 0
	for _, text := range strings.Split(string(doc), "\n") {
		typed, ok := strings.CutPrefix(text, "$ ")
		if !ok && !strings.HasPrefix(text, "muster ") {
			continue
		}
		typed = quoted.ReplaceAllString(typed, "QUOTED")
		for _, part := range strings.FieldsFunc(typed, func(r rune) bool { return strings.ContainsRune("|<>()", r) }) {
			words := strings.Fields(part)
			if len(words) < 2 || words[0] != "muster" {
				continue
			}
			seen++
			root := (&App{}).root()
			l := permute(root.Flags, root.Commands, words)
			if l.command == nil || len(l.command.Subcommands) > 0 {
				t.Errorf("%q names no command", text)
				continue
			}
			for _, w := range words {
				if w == "--" {
					break // what follows belongs to another program
				}
				name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
				if f, _ := l.find(name, root.Flags); isFlag(w) && f == nil {
					t.Errorf("%q: there is no flag %s", text, w)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands found: the test does not see the page", seen)
	}
}
