package npm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       inventory.Package
		ok         bool
		problem    bool
	}{
		{name: "package", text: `{"name":"lodash","version":"4.17.21","dependencies":{"a":"1"}}`,
			want: inventory.Package{Name: "lodash", Version: "4.17.21"}, ok: true},
		{name: "scoped", text: `{"name":"@babel/core","version":"7.0.0"}`,
			want: inventory.Package{Name: "@babel/core", Version: "7.0.0"}, ok: true},
		{name: "odd shapes elsewhere do not matter", text: `{"name":"a","version":"1.0.0","dependencies":[],"license":{},"author":7}`,
			want: inventory.Package{Name: "a", Version: "1.0.0"}, ok: true},
		{name: "what follows does not matter", text: `{"name":"a","version":"1.0.0"} trailing`,
			want: inventory.Package{Name: "a", Version: "1.0.0"}, ok: true},
		{name: "no version", text: `{"name":"a"}`},
		{name: "no name", text: `{"version":"1.0.0"}`},
		{name: "version is a number", text: `{"name":"a","version":1}`, problem: true},
		{name: "version is an object", text: `{"name":"a","version":{"x":1}}`, problem: true},
		{name: "name leaves the folder", text: `{"name":"../../etc/passwd","version":"1.0.0"}`, problem: true},
		{name: "an array", text: `[]`, problem: true},
		{name: "empty", text: ``, problem: true},
		{name: "cut short", text: `{"name":"a","version":"1.0.0"`, problem: true},
		{name: "deep", text: `{"x":` + strings.Repeat("[", 1_000_000), problem: true},
		{name: "larger than allowed", text: `{"x":"` + strings.Repeat("y", maxBytes) + `","name":"a","version":"1.0.0"}`, problem: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok, err := parse(strings.NewReader(tt.text))
			if (err != nil) != tt.problem || ok != tt.ok {
				t.Errorf("ok %v, error %v; expected ok %v, an error: %v", ok, err, tt.ok, tt.problem)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryFileMakesASet(t *testing.T) {
	t.Parallel()
	r := Analyzer{}.Begin()
	for path, text := range map[string]string{"a/package.json": `{}`, "b/package.json": `{"name":"b","version":"1.0.0"}`} {
		if !(Analyzer{}).Required(analyze.File{Path: path}) {
			t.Errorf("%s is not required", path)
		}
		if err := r.Read(analyze.File{Path: path}, strings.NewReader(text)); err != nil {
			t.Error(err)
		}
	}
	if got := len(r.Result().Sets); got != 2 {
		t.Errorf("%d sets, want 2: one without packages hides what lies below", got)
	}
	if (Analyzer{}).Required(analyze.File{Path: "a/package-lock.json"}) {
		t.Error("lock files are not installed packages")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"name":"lodash","version":"4.17.21"}`)
	f.Add(`{"name":"@a/b","version":"1.0.0-beta.1"}`)
	f.Add(`{"name":7}`)
	f.Add(`[[[[`)
	f.Fuzz(func(t *testing.T, text string) {
		p, ok, err := parse(strings.NewReader(text))
		if ok && (err != nil || p.Name == "" || p.Version == "") {
			t.Errorf("accepted %+v with error %v", p, err)
		}
	})
}
