package scanner_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// TestSightings scans an image whose layers hold secrets, set-id files and bills
// of materials, and take some of them away again.
func TestSightings(t *testing.T) {
	t.Parallel()
	// Made here: the test holds no credential.
	token := "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6" + "yZ8xC0bF5nR3\n"
	base := append(sampleimage.Debian("12.5", sampleimage.Package{Name: "docs", Version: "1", Files: []string{"etc/sample.conf"}}),
		sampleimage.File{Path: "usr/bin/su", Body: "x", Mode: 0o4755},
		sampleimage.File{Path: "usr/bin/wall", Body: "x", Mode: 0o2755},
		sampleimage.File{Path: "opt/tool", Body: "x", Mode: 0o4755},
		sampleimage.File{Path: "etc/sample.conf", Body: "a key of the distribution: " + token},
		sampleimage.File{Path: "root/.netrc", Body: "\n\n" + token},
		sampleimage.File{Path: "opt/old.cdx.json", Body: `{"bomFormat": "CycloneDX"}`},
		sampleimage.File{Path: "opt/app.spdx.json", Body: `{"spdxVersion": "SPDX-2.3"}`},
		sampleimage.File{Path: "opt/other.spdx.json", Body: `{"something": "else"}`},
	)
	above := sampleimage.Layer{
		{Path: "usr/bin/wall", Body: "x", Mode: 0o755},
		{Path: "opt/.wh.tool"},
		{Path: "opt/.wh.old.cdx.json"},
		{Path: "root/.wh..wh..opq"},
		{Path: "srv/.env", Body: "TOKEN=" + token},
		{Path: "srv/logo.png", Body: token},
		{Path: "srv/big", Body: "\x00" + token},
	}
	image, err := sampleimage.Build(sampleimage.Spec{Layers: []sampleimage.Layer{base, above}, Created: created()})
	if err != nil {
		t.Fatal(err)
	}
	site := newSite(t)
	site.push(t, "shop/secretive:1", image)
	s, err := scanner.New(scanner.Options{Analyzers: slices.Concat(all.Analyzers(), all.Secrets(), all.SetIDs(), all.SBOMs())})
	if err != nil {
		t.Fatal(err)
	}
	images, err := s.Inventory(t.Context(), site.host+"/shop/secretive:1", plain())
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Kind    inventory.SightingKind
		Path    string
		Layer   int
		Line    int
		Deleted bool
	}
	var got []seen
	for _, s := range images[0].Sightings {
		got = append(got, seen{s.Kind, s.Path, s.Layer, s.Line, s.Deleted})
	}
	want := []seen{
		{inventory.SBOMSighting, "opt/app.spdx.json", 0, 0, false},
		{inventory.SBOMSighting, "opt/old.cdx.json", 0, 0, true},
		{inventory.SecretSighting, "root/.netrc", 0, 3, true},
		{inventory.SecretSighting, "srv/.env", 1, 1, false},
		{inventory.SetIDSighting, "usr/bin/su", 0, 0, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e := images[0].Sightings[4].Evidence; e != "urwxr-xr-x" {
		t.Errorf("mode is %q", e)
	}
}
