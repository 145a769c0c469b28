package composer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

func TestRead(t *testing.T) {
	t.Parallel()
	psr7 := []inventory.Package{{Name: "guzzlehttp/psr7", Version: "1.8.3"}}
	for name, tt := range map[string]struct {
		text    string
		want    []inventory.Package
		problem bool
	}{
		"composer 2":     {text: `{"packages":[{"name":"guzzlehttp/psr7","version":"1.8.3","require":{}}],"dev":true}`, want: psr7},
		"composer 1":     {text: ` [{"name":"guzzlehttp/psr7","version":"1.8.3"}]`, want: psr7},
		"twice":          {text: `[{"name":"guzzlehttp/psr7","version":"1.8.3"},{"name":"guzzlehttp/psr7","version":"2"}]`, want: psr7},
		"without a name": {text: `[{"version":"1.8.3"},{"name":"a"}]`},
		"another file":   {text: `{"a":1}`},
		"no JSON":        {text: `{`, problem: true},
		"nothing":        {problem: true},
		"deep":           {text: strings.Repeat("[", 1_000_000), problem: true},
		"too large":      {text: strings.Repeat(" ", maxBytes+1), problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := analyze.File{Path: "app/vendor/composer/installed.json", Size: int64(len(tt.text))}
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
}

func FuzzParse(f *testing.F) {
	f.Add(`{"packages":[{"name":"a/b","version":"1"}]}`)
	f.Add(`[{"name":"a/b","version":1}]`)
	f.Fuzz(func(t *testing.T, text string) {
		packages, err := parse(strings.NewReader(text))
		for _, p := range packages {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package %+v, error %v", p, err)
			}
		}
	})
}
