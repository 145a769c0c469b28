package cargo

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/limit"
)

const (
	lockFile = `version = 3
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["regex 1.7.3", "tempfile", "libc"]
[[package]]
name = "aho-corasick"
version = "0.7.20"
dependencies = ["memchr"]
[[package]]
name = "libc"
version = "0.2.140"
[[package]]
name = "memchr"
version = "2.5.0"
[[package]]
name = "regex"
version = "1.7.3"
dependencies = ["aho-corasick 0.7.20 (registry+https://github.com/rust-lang/crates.io-index)"]
[[package]]
name = "regex"
version = "0.9.0"
[[package]]
name = "tempfile"
version = "3.4.0"
dependencies = ["libc", "unheard of by anybody else"]
`
	everything = "aho-corasick@0.7.20 app@0.1.0 libc@0.2.140 memchr@2.5.0 regex@0.9.0 regex@1.7.3 tempfile@3.4.0"
	head       = "[package]\nname = \"app\"\nversion = \"0.1.0\"\n"
)

// read returns the packages of each lock file, and how many files could not be read.
func read(t *testing.T, files map[string]string, order ...string) (map[string]string, int) {
	t.Helper()
	r := Analyzer{}.Begin()
	problems := 0
	for _, name := range order {
		f := analyze.File{Path: name, Size: int64(len(files[name]))}
		if !(Analyzer{}).Required(f) {
			t.Errorf("%s is not wanted", name)
		}
		if err := r.Read(f, strings.NewReader(files[name])); err != nil {
			problems++
		}
	}
	got := map[string]string{}
	for _, s := range r.Result().Sets {
		var words []string
		for _, p := range s.Set.Packages {
			words = append(words, p.Name+"@"+p.Version)
		}
		got[s.Path] = strings.Join(words, " ")
	}
	return got, problems
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	const needed = "aho-corasick@0.7.20 app@0.1.0 memchr@2.5.0 regex@1.7.3"
	for name, c := range map[string]struct{ manifest, want string }{
		"tests are left out":     {head + "[dependencies]\nregex = \"1.7\"\n[dev-dependencies]\ntempfile = \"3\"\n", needed},
		"a table":                {head + "[dependencies.regex]\nversion = \"1.7.3\"\nfeatures = []\n", needed},
		"an exact version":       {head + "[dependencies]\nregex = \"=0.9.0\"\n", "app@0.1.0 regex@0.9.0"},
		"a wildcard":             {head + "[dependencies]\nregex = \"0.*\"\n", "app@0.1.0 regex@0.9.0"},
		"no version fits":        {head + "[dependencies]\nregex = \"7\"\n", "app@0.1.0"},
		"no version is a number": {head + "[dependencies]\nregex = \"x y\"\n", "app@0.1.0"},
		"from a folder":          {head + "[dependencies]\nregex = { path = \"../regex\" }\n", "app@0.1.0"},
		"for a platform":         {head + "[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n", "app@0.1.0 libc@0.2.140"},
		"of the workspace":       {head + "[workspace.dependencies]\nlibc = \"0.2\"\n", "app@0.1.0 libc@0.2.140"},
		"the workspace decides": {head + "[dependencies]\nlibc = { workspace = true }\n[workspace.dependencies]\nlibc = \"0.2\"\n",
			"app@0.1.0 libc@0.2.140"},
		"a workspace's version": {"[package]\nname = \"app\"\nversion.workspace = true\n[workspace.package]\nversion = \"0.1.0\"\n", "app@0.1.0"},
		"a version of no kind":  {"[package]\nname = \"app\"\nversion = 1\n", ""},
		"nothing":               {"", ""},
		"nonsense":              {"[", everything},
		"deep":                  {"a = " + strings.Repeat("[", 400_000), everything},
		"long":                  {strings.Repeat(" ", maxManifestBytes+1), everything},
	} {
		files := map[string]string{"srv/Cargo.lock": lockFile, "srv/Cargo.toml": c.manifest}
		for _, order := range [][]string{{"srv/Cargo.lock", "srv/Cargo.toml"}, {"srv/Cargo.toml", "srv/Cargo.lock"}} {
			got, problems := read(t, files, order...)
			if diff := cmp.Diff(map[string]string{"srv/Cargo.lock": c.want}, got); diff != "" {
				t.Errorf("%s, %v (-want +got):\n%s", name, order, diff)
			}
			if unread := c.want == everything; (problems > 0) != unread {
				t.Errorf("%s: %d problems", name, problems)
			}
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, want string
		problems   int
	}{
		"alone":    {lockFile, everything, 0},
		"nameless": {"[[package]]\nversion = \"1\"\n", "", 0},
		"nonsense": {"package = 7", "", 1},
		"deep":     {"a = " + strings.Repeat("[", 400_000), "", 1},
		"long":     {strings.Repeat(" ", maxLockBytes+1), "", 1},
	} {
		got, problems := read(t, map[string]string{"Cargo.lock": c.text}, "Cargo.lock")
		if diff := cmp.Diff(map[string]string{"Cargo.lock": c.want}, got); diff != "" || problems != c.problems {
			t.Errorf("%s: %d problems (-want +got):\n%s", name, problems, diff)
		}
	}
}

func TestWorkspace(t *testing.T) {
	t.Parallel()
	const root = "[workspace]\nmembers = [\"core\", \"tools/*\", \"missing\", \"[\"]\n[workspace.package]\nversion = \"0.1.0\"\n"
	files := map[string]string{
		"srv/Cargo.lock":         lockFile,
		"srv/Cargo.toml":         root,
		"srv/core/Cargo.toml":    "[package]\nname = \"app\"\n[dependencies]\nlibc = \"0.2\"\n",
		"srv/tools/x/Cargo.toml": "[package]\nname = \"x\"\nversion = \"1.0.0\"\n[dependencies]\nlibc = \"7\"\nmemchr = \"2.5\"\n",
		"other/Cargo.toml":       "[dependencies]\nregex = \"1\"\n",
	}
	order := []string{"srv/Cargo.lock", "srv/Cargo.toml", "srv/core/Cargo.toml", "srv/tools/x/Cargo.toml", "other/Cargo.toml"}
	got, problems := read(t, files, order...)
	if diff := cmp.Diff(map[string]string{"srv/Cargo.lock": "app@0.1.0 libc@0.2.140 memchr@2.5.0"}, got); diff != "" || problems != 0 {
		t.Errorf("%d problems (-want +got):\n%s", problems, diff)
	}
	// A workspace of more members than anybody has is not taken apart.
	files["srv/Cargo.toml"] = "[workspace]\nmembers = [" + strings.Repeat("\"*\",", 100_000) + "]\n"
	for range 30 {
		order = append(order, strings.Repeat("x/", len(order))+"Cargo.toml")
	}
	got, _ = read(t, files, order...)
	if diff := cmp.Diff(map[string]string{"srv/Cargo.lock": everything}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(lockFile, head+"[dependencies]\nregex = \"1.7\"\n[workspace]\nmembers = [\"*\"]\n")
	f.Add("[[package]]\nname = \"a\"\ndependencies = [\"a\"]\n", "[dependencies]\na = \"*\"\n")
	f.Fuzz(func(t *testing.T, lock, manifest string) {
		read(t, map[string]string{"Cargo.lock": lock, "Cargo.toml": manifest}, "Cargo.lock", "Cargo.toml")
	})
}

// TestDeepDocuments is about documents on which a decoder's stack could end, which
// nothing could recover.
func TestDeepDocuments(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"arrays": "a = " + strings.Repeat("[", 1<<19),
		"keys":   "dependencies." + strings.Repeat("a.", 1<<18) + "a = 1",
		"header": "[dependencies." + strings.Repeat("a.", 1<<18) + "a]",
		"tables": "a = " + strings.Repeat("{a=", 1<<18),
	} {
		for _, file := range []string{"app/Cargo.lock", "app/Cargo.toml"} {
			run := Analyzer{}.Begin()
			if err := run.Read(analyze.File{Path: file}, strings.NewReader(text)); !errors.Is(err, limit.ErrExceeded) {
				t.Errorf("%s in %s: %v, want a limit", name, file, err)
			}
		}
	}
}
