package nuget

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

const deps = `{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v6.0"},
  "targets": {".NETCoreApp,Version=v6.0": {
    "app/1.0.0": {"runtime": {"app.dll": {}}},
    "Newtonsoft.Json/12.0.1": {"runtime": {"x.dll": {}}},
    "BuildOnly/1.0": {},
    "Native/1.0": {"native": {"a.so": {}}},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1": {"runtime": {}}
  }},
  "libraries": {
    "app/1.0.0": {"type": "project"},
    "Newtonsoft.Json/12.0.1": {"type": "package"},
    "BuildOnly/1.0": {"type": "package"},
    "Native/1.0": {"type": "Package"},
    "Unmentioned/2.0": {"type": "package"},
    "reference/1": {"type": "reference"},
    "no version": {"type": "package"},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1": {"type": "runtimepack"}
  }
}`

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text    string
		want    []inventory.Package
		problem bool
	}{
		"application": {text: deps, want: []inventory.Package{
			{Name: "Microsoft.NETCore.App.Runtime.linux-x64", Version: "6.0.1"}, {Name: "Native", Version: "1.0"},
			{Name: "Newtonsoft.Json", Version: "12.0.1"}, {Name: "Unmentioned", Version: "2.0"}, {Name: "app", Version: "1.0.0"},
		}},
		"no target": {text: `{"libraries":{"a/1":{"type":"package"}}}`, want: []inventory.Package{{Name: "a", Version: "1"}}},
		"empty":     {text: `{}`},
		"no JSON":   {text: `[`, problem: true},
		"deep":      {text: `{"targets":` + strings.Repeat("[", 1_000_000), problem: true},
		"too large": {text: strings.Repeat(" ", maxBytes+1), problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := analyze.File{Path: "app/app.deps.json", Size: int64(len(tt.text))}
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
	f.Add(deps)
	f.Add(`{"libraries":{"/":{"type":"package"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if packages, err := parse(strings.NewReader(text)); err != nil && packages != nil {
			t.Errorf("%d packages with error %v", len(packages), err)
		}
	})
}
