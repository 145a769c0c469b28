package conda

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text    string
		want    []inventory.Package
		problem bool
	}{
		"record":     {text: `{"name":"zlib","version":"1.2","files":["a"]}`, want: []inventory.Package{{Name: "zlib", Version: "1.2"}}},
		"no version": {text: `{"name":"zlib"}`, problem: true},
		"no JSON":    {text: `x`, problem: true},
		"deep":       {text: strings.Repeat("[", 1_000_000), problem: true},
		"too large":  {text: `{"x":"` + strings.Repeat("x", maxBytes) + `"}`, problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := analyze.File{Path: "opt/conda/envs/a/conda-meta/zlib-1.2-h7b6447c_0.json"}
			if !(Analyzer{}).Required(f) {
				t.Fatal("not required")
			}
			r := Analyzer{}.Begin()
			if err := r.Read(f, strings.NewReader(tt.text)); (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			if tt.want == nil {
				tt.want = []inventory.Package{}
			}
			if diff := cmp.Diff(tt.want, r.Result().Sets[0].Set.Packages); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if (Analyzer{}).Required(analyze.File{Path: "opt/conda/conda-meta/history.json"}) {
		t.Error("not every file of the folder is a record")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"name":"zlib","version":"1.2"}`)
	f.Add(`{"name":7}`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parse(strings.NewReader(text)); err == nil && (p.Name == "" || p.Version == "") {
			t.Errorf("accepted %+v", p)
		}
	})
}
