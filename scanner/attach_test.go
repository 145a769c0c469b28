package scanner_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/sbom"
)

func TestAttach(t *testing.T) {
	t.Parallel()
	own := inventory.PackageSet{Ecosystem: inventory.Apk, Packages: []inventory.Package{{Name: "musl", Version: "1"}}}
	image := scanner.ImageInventory{
		Inventory: inventory.Inventory{
			OS: inventory.OS{Family: "alpine", Version: "3.17"}, Sources: []inventory.Source{{Set: own.ID(), Path: "lib/apk/db/installed"}},
		},
		Sets: map[inventory.SetID]inventory.PackageSet{own.ID(): own},
	}
	for name, c := range map[string]struct {
		components string
		want       string
	}{
		"nothing new": {`{"name":"musl","purl":"pkg:apk/alpine/musl@1"}`, "lib/apk/db/installed: apk musl@1"},
		"more": {`{"name":"musl","purl":"pkg:apk/alpine/musl@2"},{"name":"x","purl":"pkg:npm/x@1"},{"name":"x","purl":"pkg:npm/x@1"}`,
			"lib/apk/db/installed: apk musl@1; sha256:a: apk musl@2; sha256:a: npm x@1"},
		"another distribution": {`{"name":"glibc","purl":"pkg:apk/wolfi/glibc@2"}`, "lib/apk/db/installed: apk musl@1"},
	} {
		doc, err := sbom.Bounds{Bytes: 1000, Packages: 10, Mixed: true}.Read(strings.NewReader(`{"bomFormat":"CycloneDX","components":[` + c.components + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		got := image.Attach("sha256:a", doc)
		var words []string
		for _, s := range got.Sources {
			set, known := got.Lookup(s.Set)
			if !known || s.Path == "sha256:a" && s.Layer != -1 {
				t.Errorf("%s: %+v", name, s)
			}
			for _, p := range set.Packages {
				words = append(words, s.Path+": "+string(set.Ecosystem)+" "+p.Name+"@"+p.Version)
			}
		}
		// Sets of one path are in the order of their names, which are digests.
		first, rest := words[:1], words[1:]
		if len(rest) == 2 && strings.Contains(rest[0], "npm") {
			rest[0], rest[1] = rest[1], rest[0]
		}
		if diff := cmp.Diff(c.want, strings.Join(append(first, rest...), "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(image.Sources) != 1 || len(image.Sets) != 1 {
			t.Fatalf("%s: the inventory itself has changed", name)
		}
	}
	var empty scanner.ImageInventory
	doc, err := sbom.Read(strings.NewReader(`{"bomFormat":"CycloneDX","components":[{"name":"x","purl":"pkg:npm/x@1"}]}`))
	if got := empty.Attach("x", doc); err != nil || len(got.Sets) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
