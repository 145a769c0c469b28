package bitnami

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

const document = `{"spdxVersion":"SPDX-2.3","packages":[
	{"name":"Apache","versionInfo":"2.4.49-2","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:bitnami/apache@2.4.49-2?arch=amd64"}]},
	{"name":"lodash","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/lodash@4.17.11"}]},
	{"name":"bash","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/bash@5.1?distro=debian-12"}]}]}`

func TestRead(t *testing.T) {
	t.Parallel()
	const file = "opt/bitnami/apache/.spdx-apache.spdx"
	r := Analyzer{}.Begin()
	if err := r.Read(analyze.File{Path: file}, strings.NewReader(document)); err != nil {
		t.Fatal(err)
	}
	want := []inventory.SourceSet{
		{Path: file, Set: inventory.PackageSet{Ecosystem: inventory.Bitnami, Packages: []inventory.Package{
			{Name: "apache", Version: "2.4.49-2", Arch: "amd64", Path: "opt/bitnami/apache"}}}},
		{Path: file, Set: inventory.PackageSet{Ecosystem: inventory.NPM, Packages: []inventory.Package{
			{Name: "lodash", Version: "4.17.11", Path: "opt/bitnami/apache"}}}},
	}
	if diff := cmp.Diff(want, r.Result().Sets); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := r.Read(analyze.File{Path: file}, strings.NewReader("SPDXVersion: SPDX-2.3\n")); err == nil {
		t.Error("a document that cannot be read must be reported")
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"opt/bitnami/apache/.spdx-apache.spdx":               true,
		"opt/bitnami/common/x.cdx.json":                      true,
		"opt/other/.spdx-apache.spdx":                        false,
		"opt/bitnami/python/x.dist-info/sboms/a.cdx.json":    false,
		"opt/bitnami/apache/licenses/apache-2.4.49.txt":      false,
		"srv/opt/bitnami/apache/.spdx-apache.spdx":           false,
		"opt/bitnami/apache/.spdx-apache.spdx.bak":           false,
		"opt/bitnami/apache/conf/deeper/component.spdx.json": true,
	} {
		if got := (Analyzer{}).Required(analyze.File{Path: path}); got != want {
			t.Errorf("required %s: %v, want %v", path, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(document)
	f.Add(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"x","purl":"pkg:bitnami/x@1"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := Analyzer{}.Begin()
		_ = r.Read(analyze.File{Path: "opt/bitnami/x/.spdx-x.spdx"}, strings.NewReader(text))
		for _, s := range r.Result().Sets {
			if _, err := inventory.DecodeSet(s.Set.ID(), s.Set.Encode()); err != nil {
				t.Error(err)
			}
		}
	})
}
