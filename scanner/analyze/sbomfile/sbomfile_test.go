package sbomfile_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

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
