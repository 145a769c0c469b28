package sbomfile_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/sbomfile"
)

func TestAnalyzer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, text, want string }{
		{"app.cdx.json", `{"bomFormat": "CycloneDX"}`, "cyclonedx"},
		{"usr/local/share/sbom/bom.json", `{"bomFormat": "CycloneDX"}`, "cyclonedx"},
		{"opt/bitnami/x/.spdx-x.spdx", "SPDXVersion: SPDX-2.3\n", "spdx"},
		{"var/lib/db/sbom/x.SPDX.json", `{"spdxVersion": "SPDX-2.3"}`, "spdx"},
		{"x.spdx.json", `{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}`, "spdx"},
		{"x.spdx.json", "", ""},
		{"x.cdx", strings.Repeat(" ", 10_000) + `"CycloneDX"`, ""},
	} {
		f := analyze.File{Path: c.path, Size: int64(len(c.text))}
		if !(sbomfile.Analyzer{}).Required(f) {
			t.Errorf("%s is not wanted", c.path)
		}
		run := sbomfile.Analyzer{}.Begin()
		if err := run.Read(f, strings.NewReader(c.text)); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range run.Result().Sightings {
			got += s.Rule
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	if (sbomfile.Analyzer{}).Required(analyze.File{Path: "package.json"}) {
		t.Error("any JSON file is wanted")
	}
	broken := errors.New("broken")
	if err := (sbomfile.Analyzer{}).Begin().Read(analyze.File{}, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// What a document lists of languages counts; a distribution's packages do not.
func TestPackages(t *testing.T) {
	t.Parallel()
	cyclonedx := func(purls ...string) string {
		var components []string
		for _, p := range purls {
			components = append(components, `{"type": "library", "name": "x", "purl": "`+p+`", "properties": [{"name": "aquasecurity:trivy:FilePath", "value": "lib/x"}]}`)
		}
		return `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [` + strings.Join(components, ",") + `]}`
	}
	all := cyclonedx("pkg:npm/lodash@4.17.0", "pkg:deb/debian/zlib1g@1.2?distro=debian-12", "pkg:bitnami/redis@6.0.0?arch=amd64", "pkg:unheard/of@1")
	for _, c := range []struct {
		path, text string
		want       []string
		bad        bool
	}{
		{"layers/app.cdx.json", all, []string{"bitnami redis 6.0.0 lib/x", "npm lodash 4.17.0 lib/x"}, false},
		{"opt/bitnami/redis/.spdx-redis.spdx", all, []string{"bitnami redis 6.0.0 opt/bitnami/redis", "npm lodash 4.17.0 opt/bitnami/redis/lib/x"}, false},
		{"srv/x.dist-info/sboms/x.cdx.json", all, nil, false},
		{"srv/bom.json", all, nil, false}, // seen, and not one of the names that count
		{"srv/x.spdx", "SPDXVersion: SPDX-2.3\n", nil, false},
		{"srv/x.cdx.json", `{"bomFormat": "CycloneDX", "components": `, nil, true},
		{"srv/x.cdx.json", `{"bomFormat": "CycloneDX", "x": "` + strings.Repeat("x", 9<<20) + `"}`, nil, true},
	} {
		run := sbomfile.Analyzer{}.Begin()
		if err := run.Read(analyze.File{Path: c.path}, strings.NewReader(c.text)); (err != nil) != c.bad {
			t.Errorf("%s: error %v", c.path, err)
		}
		var got []string
		for _, s := range run.Result().Sets {
			for _, p := range s.Set.Packages {
				got = append(got, strings.Join([]string{string(s.Set.Ecosystem), p.Name, p.Version, p.Path}, " "))
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": "x", "purl": "pkg:npm/x@1"}]}`)
	f.Add(`{"spdxVersion": "SPDX-2.3", "packages": [{"name": "x"}]}`)
	f.Fuzz(func(_ *testing.T, text string) {
		run := sbomfile.Analyzer{}.Begin()
		_ = run.Read(analyze.File{Path: "opt/bitnami/x/a.spdx.json"}, strings.NewReader(text))
		run.Result()
	})
}
