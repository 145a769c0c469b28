package sdk_test

import (
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "freeze the SDK's surface as it is now")

// TestSurfaceIsKept holds the SDK against its frozen surface: whatever a plugin
// was written with is still there as it was. Additions pass; -update freezes
// them at a release.
func TestSurfaceIsKept(t *testing.T) {
	t.Parallel()
	var now []string
	for _, dir := range []string{".", "sdktest"} {
		now = append(now, surface(t, dir)...)
	}
	slices.Sort(now)
	golden := filepath.Join("testdata", "surface.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(now, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	frozen, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(frozen)), "\n")
	if len(lines) < 100 {
		t.Errorf("only %d lines are frozen: the test does not see the SDK", len(lines))
	}
	for _, line := range lines {
		if !slices.Contains(now, line) {
			t.Errorf("gone or changed: %s\nplugins that use it no longer build; keep it and add beside it", line)
		}
	}
}

// surface lists what a package exports, one line for each thing that can be
// used by itself. An interface is one line with all its methods, because a new
// method breaks who implements it; a struct has a line per field.
func surface(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var lines []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			for _, line := range declared(t, fset, decl) {
				lines = append(lines, file.Name.Name+": "+line)
			}
		}
	}
	return lines
}

func declared(t *testing.T, fset *token.FileSet, decl ast.Decl) []string {
	t.Helper()
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if !decl.Name.IsExported() || decl.Recv != nil && !exportedReceiver(decl.Recv.List[0].Type) {
			return nil
		}
		decl.Body = nil
		return []string{text(t, fset, decl)}
	case *ast.GenDecl:
		var lines []string
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					lines = append(lines, typeLines(t, fset, spec)...)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() {
						lines = append(lines, decl.Tok.String()+" "+text(t, fset, spec))
					}
				}
			}
		}
		return lines
	}
	return nil
}

func exportedReceiver(expr ast.Expr) bool {
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	name, ok := expr.(*ast.Ident)
	return ok && name.IsExported()
}

func typeLines(t *testing.T, fset *token.FileSet, spec *ast.TypeSpec) []string {
	t.Helper()
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return []string{"type " + text(t, fset, spec)}
	}
	lines := []string{"type " + spec.Name.Name + " struct"}
	for _, field := range fields.Fields.List {
		kind := text(t, fset, field.Type)
		if len(field.Names) == 0 {
			lines = append(lines, "type "+spec.Name.Name+" struct, embedded "+kind)
		}
		for _, name := range field.Names {
			if name.IsExported() {
				lines = append(lines, "type "+spec.Name.Name+" struct, field "+name.Name+" "+kind)
			}
		}
	}
	return lines
}

// text is a piece of Go in one line.
func text(t *testing.T, fset *token.FileSet, node any) string {
	t.Helper()
	var b strings.Builder
	if err := format.Node(&b, fset, node); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
