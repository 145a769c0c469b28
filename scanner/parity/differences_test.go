package parity_test

import (
	_ "embed"
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	update = flag.Bool("update", false, "write the list of differences")

	//go:embed testdata/differences.txt
	listed string
	found  differences
)

// differences collects what -update writes.
type differences struct {
	mu       sync.Mutex
	sections map[string][]string
}

const listPath = "testdata/differences.txt"

// check compares differences with those that the list has for a specimen. One that
// is not listed is a fault, and so is one that is listed and gone.
func check(t *testing.T, specimen string, got []string) {
	t.Helper()
	if *update {
		found.mu.Lock()
		defer found.mu.Unlock()
		if found.sections == nil {
			found.sections = map[string][]string{}
		}
		found.sections[specimen] = got
		return
	}
	want := section(listed, specimen)
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: not listed: %s", specimen, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: listed and gone: %s", specimen, line)
		}
	}
}

// section is the lines below "[specimen]", without comments.
func section(text, specimen string) []string {
	var lines []string
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "["):
			in = line == "["+specimen+"]"
		case in && (strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "+ ")):
			lines = append(lines, line)
		}
	}
	return lines
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *update && len(found.sections) > 0 && code == 0 {
		var b strings.Builder
		b.WriteString("# What Trivy reports (-) and we do not, and the other way round (+), by specimen.\n# The reasons are in ../../DIFFERENCES.md.\n")
		var names []string
		for name, lines := range found.sections {
			if len(lines) > 0 {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			b.WriteString("\n[" + name + "]\n" + strings.Join(found.sections[name], "\n") + "\n")
		}
		if err := os.WriteFile(listPath, []byte(b.String()), 0o644); err != nil {
			panic(err)
		}
	}
	os.Exit(code)
}
