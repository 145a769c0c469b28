package nuget

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
)

func TestSourceFiles(t *testing.T) {
	t.Parallel()
	for path, tt := range map[string]struct {
		text string
		want []string
		bad  bool
	}{
		"src/packages.lock.json": {`{"version": 1, "dependencies": {
			".NETCoreApp,Version=v6.0": {
				"Newtonsoft.Json": {"type": "Direct", "requested": "[12.0.3, )", "resolved": "12.0.3"},
				"mine": {"type": "Project"}
			},
			"net5.0": {"Newtonsoft.Json": {"type": "Transitive", "resolved": "12.0.1"}}
		}}`, []string{"Newtonsoft.Json 12.0.1", "Newtonsoft.Json 12.0.3"}, false},
		"a/packages.lock.json": {`{`, nil, true},
		"src/packages.config": {`<?xml version="1.0" encoding="utf-8"?><packages>
			<package id="jQuery" version="3.1.1" targetFramework="net46" />
			<package id="xunit" version="2.4" developmentDependency="true" />
			<package version="1" />
		</packages>`, []string{"jQuery 3.1.1"}, false},
		"b/packages.config": {`<other/>`, nil, true},
		"Directory.Packages.props": {`<Project><PropertyGroup><V>1</V></PropertyGroup><ItemGroup>
			<PackageVersion Include="Serilog" Version=" 2.10.0 " />
			<PackageReference Update="Old.Name" Version="1.2.3" />
			<PackageVersion Include="Unknown" Version="$(V)" />
		</ItemGroup></Project>`, []string{"Old.Name 1.2.3", "Serilog 2.10.0"}, false},
		"c/legacy.packages.PROPS": {`<Project/>`, nil, false},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			run := Analyzer{}.Begin()
			if !(Analyzer{}).Required(analyze.File{Path: path}) {
				t.Fatal("not wanted")
			}
			if err := run.Read(analyze.File{Path: path}, strings.NewReader(tt.text)); (err != nil) != tt.bad {
				t.Errorf("error %v", err)
			}
			sets := run.Result().Sets
			if len(sets) != 1 {
				t.Fatalf("%d sets", len(sets))
			}
			var got []string
			for _, p := range sets[0].Set.Packages {
				got = append(got, p.Name+" "+p.Version)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzSourceFiles(f *testing.F) {
	f.Add(`{"dependencies": {"a": {"b": {"resolved": "1"}}}}`)
	f.Add(`<packages><package id="a" version="1"/></packages>`)
	f.Add(`<Project><ItemGroup><PackageVersion Include="a" Version="1"/></ItemGroup></Project>`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range []string{"packages.lock.json", "packages.config", "packages.props"} {
			_, _ = parserOf(file)(strings.NewReader(text))
		}
	})
}
