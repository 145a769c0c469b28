package julia

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
)

const (
	manifestFile = `julia_version = "1.9.0"
manifest_format = "2.0"
[[deps.Dates]]
deps = ["Printf"]
uuid = "d1"
[[deps.HTTP]]
deps = ["Dates"]
uuid = "h1"
version = "1.9.1"
[[deps.Printf]]
uuid = "p1"
[[deps.Test]]
uuid = "t1"
version = "0.1"
`
	oldFile = `[[HTTP]]
uuid = "h1"
version = "0.9"
    [HTTP.deps]
    Dates = "d1"
[[Dates]]
uuid = "d1"
[[Test]]
uuid = "t1"
`
	projectFile = "name = \"x\"\n[deps]\nHTTP = \"h1\"\n[extras]\nTest = \"t1\"\n"
	everything  = "Dates@1.9.0 HTTP@1.9.1 Printf@1.9.0 Test@0.1"
)

func scan(t *testing.T, files ...[2]string) (string, int) {
	t.Helper()
	r := Analyzer{}.Begin()
	problems := 0
	for _, file := range files {
		f := analyze.File{Path: file[0], Size: int64(len(file[1]))}
		if !(Analyzer{}).Required(f) {
			t.Errorf("%s is not wanted", f.Path)
		}
		if err := r.Read(f, strings.NewReader(file[1])); err != nil {
			problems++
		}
	}
	var words []string
	for _, s := range r.Result().Sets {
		for _, p := range s.Set.Packages {
			words = append(words, p.Name+"@"+p.Version)
		}
	}
	return strings.Join(words, " "), problems
}

func TestRead(t *testing.T) {
	t.Parallel()
	manifest := [2]string{"srv/Manifest.toml", manifestFile}
	project := [2]string{"srv/Project.toml", projectFile}
	in := func(text string) [2]string { return [2]string{"srv/Manifest.toml", text} }
	for name, c := range map[string]struct {
		files    [][2]string
		want     string
		problems int
	}{
		"tests are left out":     {[][2]string{manifest, project}, "Dates@1.9.0 HTTP@1.9.1 Printf@1.9.0", 0},
		"the project first":      {[][2]string{project, manifest}, "Dates@1.9.0 HTTP@1.9.1 Printf@1.9.0", 0},
		"old":                    {[][2]string{in(oldFile), project}, "Dates@unknown HTTP@0.9", 0},
		"no project":             {[][2]string{manifest, {"other/Project.toml", projectFile}}, "", 0},
		"an unreadable project":  {[][2]string{manifest, {"srv/Project.toml", "["}}, everything, 1},
		"an endless project":     {[][2]string{manifest, {"srv/Project.toml", strings.Repeat(" ", maxBytes+1)}}, everything, 1},
		"an unknown dependency":  {[][2]string{in("[[A]]\nuuid = \"h1\"\ndeps = [\"B\"]\n"), project}, "", 1},
		"an ambiguous one":       {[][2]string{in("[[A]]\nuuid = \"h1\"\ndeps = [\"B\"]\n[[B]]\nuuid = \"1\"\n[[B]]\nuuid = \"2\"\n"), project}, "", 1},
		"dependencies of a kind": {[][2]string{in("[[A]]\nuuid = \"h1\"\ndeps = 7\n"), project}, "", 1},
		"uuids of a kind":        {[][2]string{in("[[A]]\nuuid = \"h1\"\n[A.deps]\nB = 7\n"), project}, "", 1},
		"empty":                  {[][2]string{in(""), project}, "", 0},
		"no format":              {[][2]string{in("julia_version = \"1\"\n"), project}, "", 1},
		"nonsense":               {[][2]string{in("["), project}, "", 1},
		"deep":                   {[][2]string{in("a = " + strings.Repeat("[", 400_000)), project}, "", 1},
		"long":                   {[][2]string{in(strings.Repeat(" ", maxBytes+1)), project}, "", 1},
	} {
		got, problems := scan(t, c.files...)
		if diff := cmp.Diff(c.want, got); diff != "" || problems != c.problems {
			t.Errorf("%s: %d problems (-want +got):\n%s", name, problems, diff)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(manifestFile, projectFile)
	f.Add(oldFile, projectFile)
	f.Fuzz(func(t *testing.T, manifest, project string) {
		scan(t, [2]string{"Manifest.toml", manifest}, [2]string{"Project.toml", project})
	})
}
