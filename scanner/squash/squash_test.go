package squash

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
)

func set(e inventory.Ecosystem, packages ...string) inventory.PackageSet {
	s := inventory.PackageSet{Ecosystem: e}
	for _, p := range packages {
		name, version, _ := strings.Cut(p, "@")
		s.Packages = append(s.Packages, inventory.Package{Name: name, Version: version})
	}
	s.Canonical()
	return s
}

func at(path string, s inventory.PackageSet) inventory.SourceSet {
	return inventory.SourceSet{Path: path, Set: s}
}

func TestSquash(t *testing.T) {
	t.Parallel()
	const status, a, b = "var/lib/dpkg/status", "srv/node_modules/a/package.json", "srv/node_modules/b/package.json"
	one := set(inventory.NPM, "a@1")
	for _, tt := range []struct {
		name   string
		layers []inventory.LayerAnalysis
		want   []inventory.Source
	}{
		{
			name:   "the upper layer's file counts",
			layers: []inventory.LayerAnalysis{{Sets: []inventory.SourceSet{at(a, one)}}, {Sets: []inventory.SourceSet{at(a, set(inventory.NPM, "a@2"))}}},
			want:   []inventory.Source{{Set: set(inventory.NPM, "a@2").ID(), Path: a, Layer: 1}},
		},
		{
			name:   "a whiteout of the file",
			layers: []inventory.LayerAnalysis{{Sets: []inventory.SourceSet{at(a, one), at(b, one)}}, {Whiteouts: []string{a}}},
			want:   []inventory.Source{{Set: one.ID(), Path: b}},
		},
		{
			name:   "a whiteout of a folder above",
			layers: []inventory.LayerAnalysis{{Sets: []inventory.SourceSet{at(a, one), at("srv2/package.json", one)}}, {Whiteouts: []string{"srv"}}},
			want:   []inventory.Source{{Set: one.ID(), Path: "srv2/package.json"}},
		},
		{
			name:   "an opaque folder",
			layers: []inventory.LayerAnalysis{{Sets: []inventory.SourceSet{at(a, one), at(b, one)}}, {Opaque: []string{"srv/node_modules/a"}}},
			want:   []inventory.Source{{Set: one.ID(), Path: b}},
		},
		{
			name:   "an opaque root",
			layers: []inventory.LayerAnalysis{{Sets: []inventory.SourceSet{at(a, one), at("package.json", one)}}, {Opaque: []string{""}}},
			want:   []inventory.Source{},
		},
		{
			name:   "deletions concern lower layers only",
			layers: []inventory.LayerAnalysis{{}, {Sets: []inventory.SourceSet{at(a, one)}, Whiteouts: []string{a}, Opaque: []string{"srv"}}},
			want:   []inventory.Source{{Set: one.ID(), Path: a, Layer: 1}},
		},
		{
			name:   "deleted and back again",
			layers: []inventory.LayerAnalysis{{Sets: []inventory.SourceSet{at(a, one)}}, {Whiteouts: []string{a}}, {Sets: []inventory.SourceSet{at(a, one)}}},
			want:   []inventory.Source{{Set: one.ID(), Path: a, Layer: 2, Origins: []int{0}}},
		},
		{
			name:   "a copy of the same file, as chown makes it",
			layers: []inventory.LayerAnalysis{{}, {Sets: []inventory.SourceSet{at(a, one)}}, {Sets: []inventory.SourceSet{at(a, one)}}},
			want:   []inventory.Source{{Set: one.ID(), Path: a, Layer: 2, Origins: []int{1}}},
		},
		{
			name: "a package database that moved, with an epoch",
			layers: []inventory.LayerAnalysis{
				{Sets: []inventory.SourceSet{at("var/lib/rpm/Packages", set(inventory.Rpm, "bash@1:4-1"))}},
				{Sets: []inventory.SourceSet{at("usr/lib/sysimage/rpm/rpmdb.sqlite", set(inventory.Rpm, "bash@4-1"))}, Whiteouts: []string{"var/lib/rpm"}},
			},
			want: []inventory.Source{{
				Set: set(inventory.Rpm, "bash@4-1").ID(), Path: "usr/lib/sysimage/rpm/rpmdb.sqlite", Layer: 1, Origins: []int{0},
			}},
		},
		{
			name:   "an empty source hides what lies below",
			layers: []inventory.LayerAnalysis{{Sets: []inventory.SourceSet{at(a, one)}}, {Sets: []inventory.SourceSet{at(a, set(inventory.NPM))}}},
			want:   []inventory.Source{},
		},
		{
			name: "packages come from where they first appeared",
			layers: []inventory.LayerAnalysis{
				{Sets: []inventory.SourceSet{at(status, set(inventory.Dpkg, "apt@1", "curl@1"))}},
				{Sets: []inventory.SourceSet{at(status, set(inventory.Dpkg, "apt@1", "curl@2"))}},
				{Sets: []inventory.SourceSet{at(status, set(inventory.Dpkg, "apt@1", "bash@1", "curl@2"))}},
			},
			want: []inventory.Source{{
				Set: set(inventory.Dpkg, "apt@1", "bash@1", "curl@2").ID(), Path: status, Layer: 2, Origins: []int{0, 2, 1},
			}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, sets := Squash(inventory.Image{}, tt.layers)
			if diff := cmp.Diff(tt.want, got.Sources); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, s := range got.Sources {
				if set, ok := sets[s.Set]; !ok || set.ID() != s.Set {
					t.Errorf("the set of %s is missing", s.Path)
				}
			}
		})
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()
	debian := inventory.OSFact{Path: "etc/debian_version", Family: "debian", Version: "12.5"}
	ubuntu := inventory.OSFact{Path: "etc/lsb-release", Family: "ubuntu", Version: "18.04"}
	alpine := inventory.OSFact{Path: "etc/os-release", Family: "alpine", Version: "3.17.3"}
	repositories := inventory.OSFact{Path: "etc/apk/repositories", Family: "alpine", Repository: "3.17"}
	esm := inventory.OSFact{Path: "var/lib/ubuntu-advantage/status.json", Family: "ubuntu", Extended: true}
	for _, tt := range []struct {
		name   string
		layers [][]inventory.OSFact
		want   inventory.OS
	}{
		{"nothing", nil, inventory.OS{}},
		{"debian", [][]inventory.OSFact{{debian}}, inventory.OS{Family: "debian", Version: "12.5"}},
		{"ubuntu has Debian's file too", [][]inventory.OSFact{{debian, ubuntu}}, inventory.OS{Family: "ubuntu", Version: "18.04"}},
		{"alpine", [][]inventory.OSFact{{alpine, repositories}}, inventory.OS{Family: "alpine", Version: "3.17.3", Repository: "3.17"}},
		{"only repositories", [][]inventory.OSFact{{repositories}}, inventory.OS{Family: "alpine", Version: "3.17", Repository: "3.17"}},
		{"extended maintenance", [][]inventory.OSFact{{debian, ubuntu}, {esm}}, inventory.OS{Family: "ubuntu", Version: "18.04", Extended: true}},
		{"what is not ours", [][]inventory.OSFact{{debian, repositories, esm}}, inventory.OS{Family: "debian", Version: "12.5"}},
		{"red hat's own file says more", [][]inventory.OSFact{{{Path: "etc/os-release", Family: "redhat", Version: "8.1"},
			{Path: "etc/redhat-release", Family: "redhat", Version: "8.4"}}}, inventory.OS{Family: "redhat", Version: "8.4"}},
		{"red hat by os-release only", [][]inventory.OSFact{{{Path: "usr/lib/os-release", Family: "redhat", Version: "8.1"}}},
			inventory.OS{Family: "redhat", Version: "8.1"}},
		{"echo has Debian's file too", [][]inventory.OSFact{{debian, {Path: "etc/os-release", Family: "echo", Version: "1"}}},
			inventory.OS{Family: "echo", Version: "1"}},
		{"upgraded in an upper layer", [][]inventory.OSFact{{debian}, {{Path: "etc/debian_version", Family: "debian", Version: "13.0"}}},
			inventory.OS{Family: "debian", Version: "13.0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var layers []inventory.LayerAnalysis
			for _, facts := range tt.layers {
				// Release files that a layer deletes still tell what the packages are.
				layers = append(layers, inventory.LayerAnalysis{OS: facts}, inventory.LayerAnalysis{Whiteouts: []string{"etc"}})
			}
			got, _ := Squash(inventory.Image{}, layers)
			if diff := cmp.Diff(tt.want, got.OS); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// BenchmarkSquashHostile lays a layer of a hundred thousand whiteouts over one
// of ten thousand sources.
func BenchmarkSquashHostile(b *testing.B) {
	var lower, upper inventory.LayerAnalysis
	for i := range 10_000 {
		lower.Sets = append(lower.Sets, at(fmt.Sprintf("srv/a/b/c/%d/package.json", i), set(inventory.NPM, "a@1")))
	}
	for i := range 100_000 {
		upper.Whiteouts = append(upper.Whiteouts, fmt.Sprintf("x/%d", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		Squash(inventory.Image{}, []inventory.LayerAnalysis{lower, upper})
	}
}
