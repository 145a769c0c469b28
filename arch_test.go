package muster

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/muster-sec/muster"

// goFile is one parsed Go file: the package folder it lies in and what it imports.
type goFile struct {
	path, pkg, name string
	test            bool
	imports         []string
	ast             *ast.File
}

// TestImportsPointDown holds every import against the floors of ARCHITECTURE.md.
// It parses the files itself, so that a cached test result cannot hide a new arrow.
func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for _, f := range parseModule(t) {
		for _, imp := range f.imports {
			target, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			if why := forbidden(f, target); why != "" {
				t.Errorf("%s imports %s: %s", f.path, target, why)
			}
		}
	}
}

// services are the packages of core that never import each other: they meet
// through rows, queue messages and interfaces that the consumer declares.
func services() []string {
	return []string{
		"core/admission", "core/federation", "core/fleet", "core/identity",
		"core/intake", "core/registry", "core/scanjob",
	}
}

// facts and tools may be imported by everything else in core.
func tools() []string {
	return []string{
		"core/config", "core/fault", "core/model", "core/policy", "core/registryhttp", "core/schedule", "core/secret", "core/telemetry",
	}
}

// adapters satisfy the interfaces of services; only the composition root (and
// the adapters' own tests) may import them.
func adapters() []string {
	return []string{"core/store", "core/queue", "core/plughost"}
}

func forbidden(f goFile, target string) string {
	house, targetHouse := top(f.pkg), top(target)
	switch {
	case house == "cli" || house == ".":
		return ""
	case targetHouse == "cli":
		return "only main reaches up to the command line"
	case house != "core" && targetHouse != house:
		return "the libraries scanner, syncer and plugins import nothing of ours outside themselves"
	case house != "core":
		return ""
	case targetHouse != "core":
		return forbiddenLibrary(f, target)
	default:
		return forbiddenInCore(f, target)
	}
}

func forbiddenLibrary(f goFile, target string) string {
	if within(f.pkg, "core/model") || within(f.pkg, "core/fault") {
		return "core/model and core/fault are facts: standard library only"
	}
	if within(target, "plugins") && !within(f.pkg, "core/plughost") && !within(f.pkg, "core/daemon") {
		return "only core/plughost adapts plugins, and core/daemon wires them"
	}
	return ""
}

func forbiddenInCore(f goFile, target string) string {
	from := f.pkg
	switch {
	case from == target || within(target, from) || within(from, "core/daemon"):
		return ""
	case within(target, "core/daemon"):
		return "nothing below imports the composition root"
	case f.test && (anyWithin(target, adapters()) || anyWithin(from, adapters())):
		return "" // a test may meet a real adapter
	case anyWithin(target, adapters()):
		return "only core/daemon imports store, queue and plughost"
	case anyWithin(from, []string{"core/model", "core/fault"}) && target != "core/fault":
		return "core/model and core/fault are facts: they import nothing of ours but core/fault"
	case anyWithin(from, tools()) && !anyWithin(target, tools()):
		return "tools import only tools and facts"
	case anyWithin(from, services()) && anyWithin(target, services()) && owner(from) != owner(target):
		return "services never import each other"
	case anyWithin(from, services()) && within(target, "core/httpapi"):
		return "services do not know how they are served"
	case anyWithin(from, adapters()) && within(target, "core/httpapi"):
		return "adapters do not know how they are served"
	}
	return ""
}

// TestEveryPackageSaysWhatItIsFor fails on a package without a package comment.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range parseModule(t) {
		if f.test || strings.HasSuffix(f.path, ".pb.go") || generatedOnly(f.pkg) {
			continue
		}
		documented[f.pkg] = documented[f.pkg] || f.ast.Doc != nil
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment that says what it is for", pkg)
		}
	}
}

// TestNoDrawersNoInit refuses packages named after nothing and registration by import.
func TestNoDrawersNoInit(t *testing.T) {
	t.Parallel()
	drawers := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}
	for _, f := range parseModule(t) {
		if slices.Contains(drawers, filepath.Base(f.pkg)) {
			t.Errorf("package %s: name it after what it holds", f.pkg)
		}
		if strings.HasSuffix(f.path, ".pb.go") {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function: build things where they are wired", f.path)
			}
		}
	}
}

func parseModule(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		parsed, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		f := goFile{
			path: path, pkg: filepath.ToSlash(filepath.Dir(path)), name: parsed.Name.Name,
			test: strings.HasSuffix(path, "_test.go"), ast: parsed,
		}
		for _, spec := range parsed.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imp)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		t.Fatalf("parsed %d Go files: the test does not see the module", len(files))
	}
	return files
}

func generatedOnly(pkg string) bool { return within(pkg, "plugins/proto") }

func top(pkg string) string {
	house, _, _ := strings.Cut(pkg, "/")
	return house
}

func within(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

func anyWithin(pkg string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return within(pkg, f) })
}

// owner is the service a package belongs to: "core/registry" for "core/registry/cron".
func owner(pkg string) string {
	parts := strings.SplitN(pkg, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}
