package muster

import (
	"go/ast"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// classes is how many classes of bad input scanner/HOSTILE.md has.
const classes = 24

// TestEveryClassOfBadInputHasItsTests holds the table of scanner/HOSTILE.md
// against the tests that there are.
func TestEveryClassOfBadInputHasItsTests(t *testing.T) {
	t.Parallel()
	exists := map[string]bool{}
	for _, f := range parseModule(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test && fn.Recv == nil {
				exists[f.pkg+" "+fn.Name.Name] = true
			}
		}
	}
	table, err := os.ReadFile("scanner/HOSTILE.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\d+) \| [^|]+ \| ([^|]+) \|$`)
	next := 1
	for _, m := range row.FindAllStringSubmatch(string(table), -1) {
		if m[1] != strconv.Itoa(next) {
			t.Errorf("class %s stands where %d belongs", m[1], next)
		}
		next++
		for group := range strings.SplitSeq(m[2], "; ") {
			pkg, names, ok := strings.Cut(group, ": ")
			if !ok || len(strings.Fields(names)) == 0 {
				t.Errorf("class %s: %q names no test", m[1], group)
			}
			for _, name := range strings.Fields(names) {
				if !exists[strings.Trim(pkg, "`")+" "+name] {
					t.Errorf("class %s: there is no %s in %s", m[1], name, pkg)
				}
			}
		}
	}
	if next != classes+1 {
		t.Errorf("the table ends after class %d, there are %d", next-1, classes)
	}
}
