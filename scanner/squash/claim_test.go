package squash_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/squash"
)

func TestClaims(t *testing.T) {
	t.Parallel()
	packages := func(e inventory.Ecosystem, names ...string) inventory.PackageSet {
		set := inventory.PackageSet{Ecosystem: e}
		for _, name := range names {
			n, v, _ := strings.Cut(name, "@")
			set.Packages = append(set.Packages, inventory.Package{Name: n, Version: v})
		}
		set.Canonical()
		return set
	}
	claimed := func(path, namespace string, set inventory.PackageSet) inventory.SourceSet {
		return inventory.SourceSet{Path: path, Set: set, Claim: &inventory.Claim{Namespace: namespace}}
	}
	recorded := inventory.SourceSet{Path: "lib/apk/db/installed", Set: packages(inventory.Apk, "musl@1", "zlib@1")}
	for name, c := range map[string]struct {
		family string
		layers [][]inventory.SourceSet
		want   string
	}{
		"the package manager's word counts": {"alpine", [][]inventory.SourceSet{{recorded, claimed("a.spdx", "alpine", packages(inventory.Apk, "musl@1", "zlib@2"))}},
			"a.spdx: zlib@2; lib/apk/db/installed: musl@1 zlib@1"},
		"in whichever layer": {"alpine", [][]inventory.SourceSet{{claimed("a.spdx", "", packages(inventory.Apk, "musl@1"))}, {recorded}},
			"lib/apk/db/installed: musl@1 zlib@1"},
		"another distribution": {"alpine", [][]inventory.SourceSet{{recorded, claimed("a.spdx", "wolfi", packages(inventory.Apk, "glibc@1")), claimed("a.spdx", "alpine", packages(inventory.Apk, "apk@1"))}},
			"a.spdx: apk@1; lib/apk/db/installed: musl@1 zlib@1"},
		"suse":            {"sles", [][]inventory.SourceSet{{claimed("a.spdx", "suse", packages(inventory.Rpm, "zlib@1"))}}, "a.spdx: zlib@1"},
		"opensuse":        {"opensuse-leap", [][]inventory.SourceSet{{claimed("a.spdx", "opensuse", packages(inventory.Rpm, "zlib@1"))}}, "a.spdx: zlib@1"},
		"no distribution": {"", [][]inventory.SourceSet{{claimed("a.spdx", "wolfi", packages(inventory.Apk, "zlib@1"))}}, "a.spdx: zlib@1"},
		"languages":       {"alpine", [][]inventory.SourceSet{{recorded, claimed("a.spdx", "", packages(inventory.NPM, "musl@1"))}}, "a.spdx: musl@1; lib/apk/db/installed: musl@1 zlib@1"},
		"replaced":        {"alpine", [][]inventory.SourceSet{{claimed("a.spdx", "", packages(inventory.NPM, "x@1"))}, {claimed("a.spdx", "", packages(inventory.Bitnami))}}, ""},
	} {
		var layers []inventory.LayerAnalysis
		for _, sets := range c.layers {
			l := inventory.LayerAnalysis{Sets: sets}
			if c.family != "" {
				l.OS = []inventory.OSFact{{Path: "etc/os-release", Family: c.family, Version: "1"}}
			}
			l.Sort()
			layers = append(layers, l)
		}
		inv, sets := squash.Squash(inventory.Image{}, layers)
		var got []string
		for _, s := range inv.Sources {
			var words []string
			for _, p := range sets[s.Set].Packages {
				words = append(words, p.Name+"@"+p.Version)
			}
			got = append(got, s.Path+": "+strings.Join(words, " "))
		}
		if diff := cmp.Diff(c.want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
