package cargo_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/cargo"
	"github.com/muster-sec/muster/scanner/limit"
)

const lock = `version = 3

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["regex", "tempfile", "time 0.1.45"]

[[package]]
name = "regex"
version = "1.5.4"
dependencies = ["memchr"]

[[package]]
name = "memchr"
version = "2.4.0"

[[package]]
name = "tempfile"
version = "3.2.0"
dependencies = ["rand 0.8.4 (registry+https://github.com/rust-lang/crates.io-index)"]

[[package]]
name = "rand"
version = "0.8.4"

[[package]]
name = "time"
version = "0.1.45"

[[package]]
name = "time"
version = "0.3.9"
`

const manifest = `[package]
name = "app"
version = "0.1.0"

[dependencies]
regex = "1.5"
time = {version = "0.1", features = ["x"]}

[dev-dependencies]
tempfile = "3"
`

// read gives the packages by the path of their lock file.
func read(t testing.TB, files ...[2]string) (map[string][]string, error) {
	t.Helper()
	run := cargo.Analyzer{}.Begin()
	var problem error
	for _, f := range files {
		if !(cargo.Analyzer{}).Required(analyze.File{Path: f[0]}) {
			t.Fatalf("%s is not wanted", f[0])
		}
		if err := run.Read(analyze.File{Path: f[0]}, strings.NewReader(f[1])); err != nil {
			problem = err
		}
	}
	found := map[string][]string{}
	for _, s := range run.Result().Sets {
		found[s.Path] = []string{}
		for _, p := range s.Set.Packages {
			found[s.Path] = append(found[s.Path], p.Name+" "+p.Version)
		}
	}
	return found, problem
}

func TestCargo(t *testing.T) {
	t.Parallel()
	all := []string{"app 0.1.0", "memchr 2.4.0", "rand 0.8.4", "regex 1.5.4", "tempfile 3.2.0", "time 0.1.45", "time 0.3.9"}
	toRun := []string{"app 0.1.0", "memchr 2.4.0", "regex 1.5.4", "time 0.1.45"}
	for name, tt := range map[string]struct {
		files []([2]string)
		want  map[string][]string
	}{
		"a lock file alone":   {[][2]string{{"srv/Cargo.lock", lock}}, map[string][]string{"srv/Cargo.lock": all}},
		"with its manifest":   {[][2]string{{"srv/Cargo.toml", manifest}, {"srv/Cargo.lock", lock}}, map[string][]string{"srv/Cargo.lock": toRun}},
		"manifest of another": {[][2]string{{"opt/Cargo.toml", manifest}, {"srv/Cargo.lock", lock}}, map[string][]string{"srv/Cargo.lock": all}},
		"a workspace": {[][2]string{
			{"Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nversion = \"0.1.0\"\n"},
			{"crates/app/Cargo.toml", "[package]\nname = \"app\"\nversion = {workspace = true}\n[target.'cfg(unix)'.dependencies]\nregex = \"^1.5\"\n"},
			{"Cargo.lock", lock},
		}, map[string][]string{"Cargo.lock": {"app 0.1.0", "memchr 2.4.0", "regex 1.5.4"}}},
		"nothing in it": {[][2]string{{"Cargo.lock", ""}}, map[string][]string{"Cargo.lock": {}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, tt.files...)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	if got, err := read(t, [2]string{"Cargo.lock", "[[package"}); err == nil || len(got["Cargo.lock"]) != 0 {
		t.Errorf("broken: %v, %v", got, err)
	}
	if got, err := read(t, [2]string{"Cargo.toml", "[package"}, [2]string{"Cargo.lock", lock}); err == nil || len(got["Cargo.lock"]) != len(all) {
		t.Errorf("a broken manifest hides crates: %v, %v", got, err)
	}
	for _, other := range []string{"Cargo.lock.bak", "xCargo.lock", "cargo.lock"} {
		if (cargo.Analyzer{}).Required(analyze.File{Path: "a/" + other}) {
			t.Errorf("%s is wanted", other)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(lock, manifest)
	f.Add("[[package]]\nname = 1", "[workspace]\nmembers = [\"[\"]")
	f.Fuzz(func(t *testing.T, lock, manifest string) {
		_, _ = read(t, [2]string{"a/Cargo.lock", lock}, [2]string{"a/Cargo.toml", manifest})
	})
}

// TestDeepDocuments is about documents on which a decoder's stack could end, which
// nothing could recover.
func TestDeepDocuments(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"arrays": "a = " + strings.Repeat("[", 1<<20),
		"keys":   "dependencies." + strings.Repeat("a.", 1<<19) + "a = 1",
		"header": "[dependencies." + strings.Repeat("a.", 1<<19) + "a]",
		"tables": "a = " + strings.Repeat("{a=", 1<<18),
	} {
		for _, file := range []string{"app/Cargo.lock", "app/Cargo.toml"} {
			run := cargo.Analyzer{}.Begin()
			if err := run.Read(analyze.File{Path: file}, strings.NewReader(text)); !errors.Is(err, limit.ErrExceeded) {
				t.Errorf("%s in %s: %v, want a limit", name, file, err)
			}
		}
	}
}
