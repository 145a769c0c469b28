package nuget

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

const (
	lockFile = `{"version": 1, "dependencies": {
  ".NETCoreApp,Version=v6.0": {
    "Newtonsoft.Json": {"type": "Direct", "requested": "[12.0.1, )", "resolved": "12.0.1"},
    "System.Memory": {"type": "Transitive", "resolved": "4.5.4"},
    "shop.cart": {"type": "Project"}
  },
  ".NETCoreApp,Version=v7.0": {"Newtonsoft.Json": {"type": "Direct", "resolved": "12.0.1"}}}}`
	configFile = `<?xml version="1.0" encoding="utf-8"?>
<packages>
  <package id="Newtonsoft.Json" version="6.0.4" targetFramework="net45" />
  <package id="Analyzer" version="1.0" developmentDependency="true" />
  <package version="1.0" />
</packages>`
	propsFile = `<Project><PropertyGroup><X>1</X></PropertyGroup>
<ItemGroup>
  <PackageVersion Include="Newtonsoft.Json" Version=" 12.0.1 " />
  <PackageVersion Include="$(Name)" Version="1" />
  <PackageVersion Include="Variable" Version="$(Version)" />
  <PackageVersion Include="NoVersion" />
</ItemGroup>
<ItemGroup><PackageReference Update="System.Memory" Version="4.5.4" /></ItemGroup></Project>`
)

func TestProjects(t *testing.T) {
	t.Parallel()
	both := []inventory.Package{{Name: "Newtonsoft.Json", Version: "12.0.1"}, {Name: "System.Memory", Version: "4.5.4"}}
	for name, tt := range map[string]struct {
		path, text string
		want       []inventory.Package
		problem    bool
	}{
		"lock":           {path: "src/packages.lock.json", text: lockFile, want: both},
		"no lock":        {path: "src/packages.lock.json", text: "[", problem: true},
		"long lock":      {path: "src/packages.lock.json", text: strings.Repeat(" ", maxBytes+1), problem: true},
		"config":         {path: "src/packages.config", text: configFile, want: []inventory.Package{{Name: "Newtonsoft.Json", Version: "6.0.4"}}},
		"another config": {path: "src/packages.config", text: "<configuration/>", problem: true},
		"long config":    {path: "src/packages.config", text: "<packages>" + strings.Repeat(" ", maxBytes), problem: true},
		"deep config":    {path: "src/packages.config", text: "<packages>" + strings.Repeat("<a>", 1_000_000), problem: true},
		"props":          {path: "src/Directory.Packages.props", text: propsFile, want: both},
		"small props":    {path: "src/packages.props", text: propsFile, want: both},
		"no props":       {path: "src/packages.props", text: "<packages/>", problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := analyze.File{Path: tt.path, Size: int64(len(tt.text))}
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
	for _, other := range []string{"Packages.config", "src/packages.lock.json.bak", "x.props"} {
		if (Analyzer{}).Required(analyze.File{Path: other}) {
			t.Errorf("%s is wanted", other)
		}
	}
}

func FuzzProjects(f *testing.F) {
	for _, text := range []string{lockFile, configFile, propsFile} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) ([]inventory.Package, error){
			func(s string) ([]inventory.Package, error) { return parseLock(strings.NewReader(s)) },
			func(s string) ([]inventory.Package, error) { return parseConfig(strings.NewReader(s)) },
			func(s string) ([]inventory.Package, error) { return parseProps(strings.NewReader(s)) },
		} {
			if packages, err := parse(text); err != nil && packages != nil {
				t.Errorf("%d packages with error %v", len(packages), err)
			}
		}
	})
}
