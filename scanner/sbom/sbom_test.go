package sbom_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/sbom"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// image is what a scan of an image found.
func image() scanner.ImageInventory {
	apk := inventory.PackageSet{Ecosystem: inventory.Apk, Packages: []inventory.Package{
		{Name: "libcrypto3", Version: "3.0.7-r0", SourceName: "openssl", Arch: "x86_64"},
		{Name: "zlib", Version: "1.2.12-r1", Arch: "x86_64"},
	}}
	npm := inventory.PackageSet{Ecosystem: inventory.NPM, Packages: []inventory.Package{{Name: "lodash", Version: "4.17.11"}}}
	scoped := inventory.PackageSet{Ecosystem: inventory.NPM, Packages: []inventory.Package{{Name: "@shop/cart", Version: "2.0.0"}}}
	sets := map[inventory.SetID]inventory.PackageSet{}
	for _, s := range []inventory.PackageSet{apk, npm, scoped} {
		sets[s.ID()] = s
	}
	return scanner.ImageInventory{Sets: sets, Inventory: inventory.Inventory{
		Image: inventory.Image{Reference: "registry.example/shop/web:1", Digest: "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64", Layers: []inventory.Layer{{}}},
		OS:    inventory.OS{Family: "alpine", Version: "3.17.3"},
		Sources: []inventory.Source{
			{Set: apk.ID(), Path: "lib/apk/db/installed"}, {Set: npm.ID(), Path: "srv/lodash/package.json"}, {Set: scoped.ID(), Path: "srv/cart/package.json"},
		},
	}}
}

// TestRoundTrip scans what our own reports list and finds what the image had.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	file, err := build.Write(t.TempDir(), sampleimage.Advisories(now()))
	if err != nil {
		t.Fatal(err)
	}
	db, err := vulndb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	m := match.New(db)
	direct, err := scanner.Match(image(), m)
	if err != nil {
		t.Fatal(err)
	}
	want := ids(direct)
	if len(want) != 3 {
		t.Fatalf("the image has %v", want)
	}
	for _, format := range []report.Format{report.FormatCycloneDX, report.FormatSPDX} {
		var text bytes.Buffer
		if err := report.Write(&text, format, report.New(report.Database{}, now(), []report.Image{direct.Report()})); err != nil {
			t.Fatal(err)
		}
		doc, err := sbom.Read(&text)
		if err != nil {
			t.Fatal(err)
		}
		inv, sets := doc.Inventory("web.json")
		result, err := scanner.Match(scanner.ImageInventory{Inventory: inv, Sets: sets}, m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ids(result)); diff != "" {
			t.Errorf("%s (-image +sbom):\n%s", format, diff)
		}
		if inv.Image.Digest != image().Image.Digest || len(inv.Problems) > 0 {
			t.Errorf("%s: digest %q, problems %v", format, inv.Image.Digest, inv.Problems)
		}
	}
}

func ids(r scanner.Result) []string {
	var result []string
	for _, f := range r.Findings {
		result = append(result, f.ID+" "+f.Package+" "+f.Installed)
	}
	return result
}

func cyclonedx(components string) string {
	return `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[` + components + `]}`
}

func spdx(packages string) string {
	return `{"spdxVersion":"SPDX-2.3","name":"x","packages":[` + packages + `]}`
}

// TestOtherTools is how others write what advisories need.
func TestOtherTools(t *testing.T) {
	t.Parallel()
	debian := inventory.OS{Family: "debian", Version: "12.5"}
	libc := inventory.Package{Name: "libc6", Version: "2.36-9", SourceName: "glibc", Arch: "amd64"}
	for name, c := range map[string]struct {
		text string
		os   inventory.OS
		want inventory.Package
	}{
		"syft": {cyclonedx(`{"type":"library","name":"libc6","purl":"pkg:deb/debian/libc6@2.36-9?arch=amd64&upstream=glibc&distro=debian-12.5"}`), debian, libc},
		"trivy": {cyclonedx(`{"type":"operating-system","name":"debian","version":"12.5"},
			{"type":"library","name":"libc6","purl":"pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12.5","properties":[
			{"name":"aquasecurity:trivy:SrcName","value":"glibc"},{"name":"aquasecurity:trivy:SrcVersion","value":"2.36"},
			{"name":"aquasecurity:trivy:SrcRelease","value":"9"}]}`), debian, libc},
		"trivy with an epoch": {cyclonedx(`{"type":"library","name":"passwd","purl":"pkg:deb/debian/passwd@1:4.13-1?distro=debian-12.5","properties":[
			{"name":"aquasecurity:trivy:SrcName","value":"shadow"},{"name":"aquasecurity:trivy:SrcVersion","value":"4.14"},
			{"name":"aquasecurity:trivy:SrcEpoch","value":"1"}]}`), debian, inventory.Package{Name: "passwd", Version: "1:4.13-1", SourceName: "shadow", SourceVersion: "1:4.14"}},
		"trivy spdx": {spdx(`{"name":"debian","versionInfo":"12.5","primaryPackagePurpose":"OPERATING-SYSTEM"},{"name":"libc6","sourceInfo":"built package from: glibc 2.36-9",
			"externalRefs":[{"referenceType":"cpe23Type","referenceLocator":"x"},{"referenceType":"purl","referenceLocator":"pkg:deb/debian/libc6@2.36-9?arch=amd64"}]}`), debian, libc},
		"trivy spdx with annotations": {spdx(`{"name":"passwd","annotations":[{"comment":"SrcName: shadow"},{"comment":"SrcVersion: 4.14"},{"comment":"FilePath: x"},{"comment":"no value"}],
			"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/passwd@4.13?distro=debian-12.5"}]}`), debian,
			inventory.Package{Name: "passwd", Version: "4.13", SourceName: "shadow", SourceVersion: "4.14", Path: "x"}},
		"tags and values": {"SPDXVersion: SPDX-2.3\nDocumentName: x\nPackageName: libc6\nSPDXID: SPDXRef-1\nPackageVersion: 2.36-9\nPackageSourceInfo: <text>built package from: glibc 2.36-9</text>\n" +
			"ExternalRef: SECURITY cpe23Type cpe:2.3:a\nExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12.5\nPackageComment: <text>two\nlines</text>\n", debian, libc},
		"tags and values with a system": {"SPDXVersion: SPDX-2.2\nPackageName: debian\nPackageVersion: 12.5\nPrimaryPackagePurpose: OPERATING-SYSTEM\n" +
			"PackageName: libc6\nPackageSourceInfo: built package from: glibc 2.36-9\nExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/libc6@2.36-9?arch=amd64", debian, libc},
		"tags and values with files": {"SPDXVersion: SPDX-2.2\nFileName: ./srv/x.jar\nSPDXID: SPDXRef-File-1\nPackageName: g:a\nSPDXID: SPDXRef-P\nExternalRef: PACKAGE-MANAGER purl pkg:maven/g/a@1\nRelationship: SPDXRef-P CONTAINS SPDXRef-File-1\n",
			inventory.OS{}, inventory.Package{Name: "g:a", Version: "1", Path: "srv/x.jar"}},
		"files of old": {`{"spdxVersion":"SPDX-2.2","files":[{"SPDXID":"SPDXRef-File-1","fileName":"/srv/x.jar"}],"packages":[{"SPDXID":"p","name":"y","externalRefs":[{"referenceType":"purl","referenceLocator":"nonsense"}]},
			{"SPDXID":"q","name":"a","hasFiles":["SPDXRef-File-1"],"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}]}`, inventory.OS{}, inventory.Package{Name: "a", Version: "1", Path: "srv/x.jar"}},
		"upper case": {cyclonedx(`{"type":"library","name":"github.com/Masterminds/semver","purl":"pkg:golang/github.com/masterminds/semver@v1.5.0"}`),
			inventory.OS{}, inventory.Package{Name: "github.com/Masterminds/semver", Version: "v1.5.0"}},
		"a name of its own": {cyclonedx(`{"type":"library","name":"npm:lodash","purl":"pkg:npm/lodash@1"}`), inventory.OS{}, inventory.Package{Name: "lodash", Version: "1"}},
		"the subject": {`{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"type":"application","name":"app","purl":"pkg:npm/app@1"}}}`,
			inventory.OS{}, inventory.Package{Name: "app", Version: "1"}},
		"the format last": {`{"metadata":null,"components":[{"name":"a","purl":"pkg:npm/a@1"}],"x":{"y":[{}]},"bomFormat":"CycloneDX"}`, inventory.OS{}, inventory.Package{Name: "a", Version: "1"}},
		"nested": {cyclonedx(`{"type":"application","name":"app","components":[{"type":"library","name":"lodash","purl":"pkg:npm/lodash@4.17.11",
			"evidence":{"occurrences":[{"location":"/srv/lodash/package.json"}]}}]}`), inventory.OS{}, inventory.Package{Name: "lodash", Version: "4.17.11", Path: "srv/lodash/package.json"}},
		"alpine without its name": {cyclonedx(`{"type":"library","name":"musl","purl":"pkg:apk/alpine/musl@1.2.3-r4?distro=3.17.3"}`),
			inventory.OS{Family: "alpine", Version: "3.17.3"}, inventory.Package{Name: "musl", Version: "1.2.3-r4"}},
	} {
		d, err := sbom.Read(strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d.OS != c.os || len(d.Packages) != 1 || len(d.Problems) > 1 || len(d.Problems) == 1 && name != "files of old" {
			t.Errorf("%s: %+v", name, d)
			continue
		}
		if diff := cmp.Diff(c.want, d.Packages[0].Package); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	d, err := sbom.Read(strings.NewReader(cyclonedx(`{"type":"library","name":"a","purl":"pkg:npm/a"},{"type":"library","name":"b","purl":"pkg:huggingface/x/b@1"},
		{"type":"library","name":"c","purl":"nonsense"},{"type":"file","name":"d"},
		{"type":"library","name":"e","purl":"pkg:deb/debian/e@1?distro=debian-12"},{"type":"library","name":"f","purl":"pkg:deb/debian/f@1?distro=debian-12"},
		{"type":"library","name":"g","purl":"pkg:deb/ubuntu/g@1?distro=ubuntu-24.04"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Packages) != 2 || len(d.Problems) != 4 || !strings.Contains(d.Problems[3].Reason, "1 packages of another distribution") {
		t.Errorf("%+v", d)
	}
	many, err := sbom.Read(strings.NewReader(cyclonedx(strings.TrimSuffix(strings.Repeat(`{"type":"library","name":"c","purl":"nonsense"},`, 1000), ","))))
	if err != nil || len(many.Problems) != 101 {
		t.Errorf("%d problems, %v", len(many.Problems), err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"type":"library","name":"x","components":[`, 100) + strings.Repeat(`]}`, 100)
	for text, want := range map[string]error{
		"":   sbom.ErrFormat,
		"[]": sbom.ErrFormat,
		"{}": sbom.ErrFormat,
		`{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}`: sbom.ErrFormat,
		`{"bomFormat":"CycloneDX","specVersion":"1.5","components":7}`:  sbom.ErrMalformed,
		`{"spdxVersion":"SPDX-2.3","packages":7}`:                       sbom.ErrMalformed,
		cyclonedx(deep): sbom.ErrMalformed,
		cyclonedx("{}"): nil,
		`{"bomFormat":"CycloneDX","components":[`:               sbom.ErrMalformed,
		`{"bomFormat":"CycloneDX","components":{"a":[]},"x":1}`: sbom.ErrMalformed,
		`{"bomFormat":"CycloneDX","components":[{"name":7}]}`:   sbom.ErrMalformed,
		`{"components":[{"name":7}]}`:                           sbom.ErrFormat,
		`{"spdxVersion":"SPDX-1.2"}`:                            sbom.ErrFormat,
		"SPDXVersion: SPDX-1.2\n":                               sbom.ErrFormat,
		"SPDXVersion: " + strings.Repeat("2", 100_000):          limit.ErrExceeded,
	} {
		if _, err := sbom.Read(strings.NewReader(text)); !errors.Is(err, want) {
			t.Errorf("%.60s: %v, want %v", text, err, want)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	two := cyclonedx(`{"name":"a","purl":"pkg:npm/a@1"},{"name":"b","purl":"pkg:npm/b@1"}`)
	tags := "SPDXVersion: SPDX-2.2\nPackageName: a\nExternalRef: PACKAGE-MANAGER purl pkg:npm/a@1\nPackageName: b\nExternalRef: PACKAGE-MANAGER purl pkg:npm/b@1\n"
	for _, text := range []string{two, tags} {
		size := int64(len(text))
		if d, err := (sbom.Bounds{Bytes: size, Packages: 2}).Read(strings.NewReader(text)); err != nil || len(d.Packages) != 2 {
			t.Errorf("%.20s: %d packages, %v", text, len(d.Packages), err)
		}
		for _, b := range []sbom.Bounds{{Bytes: size - 1, Packages: 2}, {Bytes: size, Packages: 1}} {
			if _, err := b.Read(strings.NewReader(text)); !errors.Is(err, limit.ErrExceeded) {
				t.Errorf("%.20s within %+v: %v", text, b, err)
			}
		}
	}
	mixed := cyclonedx(`{"name":"a","purl":"pkg:deb/debian/a@1?distro=debian-12"},{"name":"b","purl":"pkg:deb/ubuntu/b@1?distro=ubuntu-24.04"}`)
	if d, err := (sbom.Bounds{Bytes: 1000, Packages: 2, Mixed: true}).Read(strings.NewReader(mixed)); err != nil || len(d.Packages) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("SPDXVersion: SPDX-2.2\nFileName: x\nSPDXID: SPDXRef-File\nPackageName: a\nExternalRef: PACKAGE-MANAGER purl pkg:npm/a@1\nRelationship: a CONTAINS SPDXRef-File\n")
	f.Add(cyclonedx(`{"type":"operating-system","name":"debian","version":"12"},{"type":"library","name":"e","purl":"pkg:deb/debian/e@1?distro=debian-12"}`))
	f.Add(spdx(`{"name":"libc6","sourceInfo":"built package from: glibc","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/x@1"}]}`))
	f.Fuzz(func(t *testing.T, text string) {
		d, err := sbom.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		inv, sets := d.Inventory("x")
		for _, s := range inv.Sources {
			set, known := sets[s.Set]
			if !known {
				t.Errorf("set %s is missing", s.Set)
			}
			if _, err := inventory.DecodeSet(s.Set, set.Encode()); err != nil {
				t.Errorf("set is not canonical: %v", err)
			}
		}
	})
}
