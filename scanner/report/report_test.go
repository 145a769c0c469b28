package report_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/baseimage"
	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/vex"
	"github.com/muster-sec/muster/scanner/vulndb"
)

var update = flag.Bool("update", false, "write the golden files")

func day(y int, m time.Month, d int) *time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return &t
}

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// details are what the database knows beside the findings.
type details struct{}

func (details) Detail(id string) (vulndb.Detail, bool, error) {
	if id != "CVE-2022-37434" {
		return vulndb.Detail{}, false, nil
	}
	return vulndb.Detail{
		Description: "zlib through 1.2.12 has a heap-based buffer over-read in inflate.", CweIDs: []string{"CWE-787", "odd"},
		References: []string{"https://nvd.nist.gov/vuln/detail/CVE-2022-37434", "not a link"},
		CVSS:       types.VendorCVSS{"nvd": {V2Score: 7.5, V2Vector: "AV:N/AC:L", V3Score: 9.8, V3Vector: "CVSS:3.1/AV:N"}}, VendorSeverity: types.VendorSeverity{"nvd": types.SeverityCritical},
	}, true, nil
}

// web is an image with something of everything.
func web() report.Image {
	created := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	apk := inventory.PackageSet{Ecosystem: inventory.Apk, Packages: []inventory.Package{
		{Name: "\u202eevil", Version: "1.0"},
		{Name: "libz", Version: "1.2.12-r1", SourceName: "zlib", Arch: "x86_64"},
	}}
	npm := inventory.PackageSet{Ecosystem: inventory.NPM, Packages: []inventory.Package{{Name: "@shop/cart", Version: "2.0.0"}}}
	sets := map[inventory.SetID]inventory.PackageSet{apk.ID(): apk, npm.ID(): npm}
	inv := inventory.Inventory{
		Image: inventory.Image{
			Reference: "registry.example/shop/web:1.4.2", Digest: digest("a"), ImageID: digest("b"), Platform: "linux/amd64", Size: 12345,
			MediaType: "application/vnd.oci.image.manifest.v1+json", Created: &created, Author: "shop", User: "root", Env: []string{"A=b"}, Labels: map[string]string{"k": "v"},
			Layers: []inventory.Layer{
				{Digest: digest("c"), DiffID: digest("d"), Size: 12000, CreatedBy: "ADD rootfs.tar.gz /"},
				{Digest: digest("e"), DiffID: digest("f"), Size: 300, CreatedBy: "COPY . /srv"},
			},
			History: []inventory.HistoryStep{
				{CreatedBy: "ADD rootfs.tar.gz /"}, {CreatedBy: `CMD ["/bin/sh"]`, Empty: true}, {CreatedBy: "COPY . /srv"},
			},
		},
		OS: inventory.OS{Family: "alpine", Version: "3.17.3", Repository: "3.17"},
		Sources: []inventory.Source{
			{Set: apk.ID(), Path: "lib/apk/db/installed", Layer: 0},
			{Set: npm.ID(), Path: "srv/node_modules/@shop/cart/package.json", Layer: 1},
			{Set: npm.ID(), Path: "srv/old/cart/package.json", Layer: 1},
		},
		Sightings: []inventory.PlacedSighting{
			{Sighting: inventory.Sighting{Kind: inventory.SBOMSighting, Path: "opt/app.spdx.json", Rule: "spdx"}, Layer: 1},
			{Sighting: inventory.Sighting{Kind: inventory.SecretSighting, Path: "srv/.npmrc", Rule: "npm-token", Title: "npm access token", Line: 3, Evidence: "npm_**** (40 characters)"}, Layer: 1, Deleted: true},
			{Sighting: inventory.Sighting{Kind: inventory.SetIDSighting, Path: "usr/bin/su", Rule: "setuid", Evidence: "urwxr-xr-x"}, Layer: 0},
		},
		Problems: []inventory.Problem{{Path: "srv/\x1b[2Jpackage.json", Analyzer: "npm", Reason: "unexpected EOF"}},
	}
	zlib := match.Vulnerability{
		ID: "CVE-2022-37434", Fixed: "1.2.12-r2", Severity: match.Critical, SeveritySource: "nvd", Status: "fixed", Source: "alpine",
		Summary: &match.Summary{
			Title: "zlib: a title that is so long that no terminal could show all of it in a row", Score: 9.8,
			Vector: "CVSS:3.1/AV:N", Published: day(2022, 8, 5), URL: "https://nvd.nist.gov/vuln/detail/CVE-2022-37434",
		},
	}
	cart := match.Vulnerability{ID: "GHSA-aaaa-bbbb-cccc", Severity: match.Medium, Status: "affected", Summary: &match.Summary{Title: "cart: <b>wrong</b> totals"}}
	image := report.NewImage(inv, func(id inventory.SetID) (inventory.PackageSet, bool) { s, ok := sets[id]; return s, ok },
		[]match.Finding{
			{Vulnerability: zlib, Package: "libz", Installed: "1.2.12-r1", Ecosystem: inventory.Apk, Layer: digest("d"), Path: "lib/apk/db/installed"},
			{Vulnerability: match.Vulnerability{ID: "TEMP-1", Status: "affected", Summary: &match.Summary{}}, Package: "\u202eevil", Installed: "1.0", Ecosystem: inventory.Apk},
			{Vulnerability: cart, Package: "@shop/cart", Installed: "2.0.0", Ecosystem: inventory.NPM, Layer: digest("f"), Path: "srv/node_modules/@shop/cart/package.json"},
			{Vulnerability: cart, Package: "@shop/cart", Installed: "2.0.0", Ecosystem: inventory.NPM, Layer: digest("f"), Path: "srv/old/cart/package.json"},
		},
		[]match.Gap{{Stream: "npm", Packages: 3, Reason: "which the vulnerability database has nothing about"}})
	image.EndOfLife = day(2024, 11, 22)
	for _, c := range compliance.Run(inv, compliance.Level2) {
		image.Checks = append(image.Checks, report.Check{Check: c})
	}
	return image
}

func digest(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

func statements() *vex.Set {
	return vex.NewSet([]vex.Statement{
		{
			Kind: vex.Vulnerability, IDs: []string{"GHSA-aaaa-bbbb-cccc"}, Paths: []string{"srv/old/**"},
			Mark: vex.Mark{Status: vex.NotAffected, Justification: "vulnerable_code_not_in_execute_path", Statement: "old is never run", Source: "shop.vex.json"},
		},
		{Kind: vex.Check, IDs: []string{"I.4.6"}, Mark: vex.Mark{Status: vex.Accepted, Statement: "probes", Source: "ignore.yaml", Until: day(2027, 1, 1)}},
	})
}

func database() report.Database {
	return report.Database{Revision: "20261122T091136Z-0123456789ab", UpdatedAt: now().Add(-27 * time.Hour)}
}

func one() report.Document {
	image := web()
	image.Judge(statements(), now())
	d := report.New(database(), now(), []report.Image{image})
	d.Tool, d.Details = "1.2.3", details{}
	return d
}

func document() report.Document {
	image := web()
	image.Judge(statements(), now())
	d := report.New(database(), now(), []report.Image{image, {
		Image: inventory.Image{Reference: "unknown:1", Digest: digest("9"), Platform: "linux/arm64"},
		Gaps:  []match.Gap{{Stream: "alma 8.4", Reason: "whose package database was not found"}},
	}})
	d.Tool, d.Details = "1.2.3", details{}
	return d
}

func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestFormats holds every format against its golden file.
func TestFormats(t *testing.T) {
	t.Parallel()
	for f, name := range map[report.Format]string{
		report.FormatTable: "report.txt", report.FormatJSON: "report.json", report.FormatTrivy: "trivy.json", report.FormatSARIF: "sarif.json",
		report.FormatCycloneDX: "cyclonedx.json", report.FormatSPDX: "spdx.json", report.FormatNeuVector: "neuvector.json",
	} {
		d := document()
		if f == report.FormatTrivy || f == report.FormatNeuVector {
			d = one()
		}
		golden(t, name, func(w io.Writer) error { return report.Write(w, f, d) })
	}
}

func TestOneImageFormats(t *testing.T) {
	t.Parallel()
	for _, f := range []report.Format{report.FormatTrivy, report.FormatNeuVector} {
		if err := report.Write(io.Discard, f, document()); !errors.Is(err, report.ErrOneImage) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]report.Format{"": report.FormatTable, "SARIF": report.FormatSARIF, "spdx-json": report.FormatSPDX, "xml": ""} {
		got, err := report.ParseFormat(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		filter report.Filter
		want   []string
	}{
		"nothing":    {report.Filter{}, []string{"CVE-2022-37434", "TEMP-1", "GHSA-aaaa-bbbb-cccc", "GHSA-aaaa-bbbb-cccc"}},
		"severities": {report.Filter{Severities: []match.Severity{match.Critical, match.Unknown}}, []string{"CVE-2022-37434", "TEMP-1"}},
		"unfixed":    {report.Filter{Unfixed: true}, []string{"CVE-2022-37434"}},
		"settled":    {report.Filter{Settled: true}, []string{"CVE-2022-37434", "TEMP-1", "GHSA-aaaa-bbbb-cccc"}},
	} {
		image := one().Images[0]
		checks := len(image.Checks)
		image.Apply(c.filter)
		var got []string
		for _, f := range image.Findings {
			got = append(got, f.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if image.Filtered != 4-len(got) {
			t.Errorf("%s: %d counted as left out", name, image.Filtered)
		}
		if hidden := checks - len(image.Checks); (hidden == 1) != c.filter.Settled {
			t.Errorf("%s: %d checks left out", name, hidden)
		}
	}
}

// TestBase is about findings that belong to the base image.
func TestBase(t *testing.T) {
	t.Parallel()
	image := web()
	if image.Base == nil || image.Base.Evidence != baseimage.ByHistory || !image.Findings[0].InBase || image.Findings[2].InBase {
		t.Errorf("base %+v, findings %v", image.Base, image.Findings)
	}
	image.SetBase(nil)
	if image.Findings[0].InBase {
		t.Error("no base has a finding")
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	now := now()
	for want, updated := range map[string]time.Time{
		"vulnerability database r, of unknown age":                               {},
		"vulnerability database of 2026-11-23 11:00 UTC, 1 hour old":             now.Add(-time.Hour),
		"vulnerability database of 2026-11-21 11:00 UTC, 2 days old":             now.Add(-49 * time.Hour),
		"vulnerability database of 2026-11-13 12:00 UTC: 10 DAYS OLD, update it": now.Add(-240 * time.Hour),
		"vulnerability database of 2026-11-24 12:00 UTC":                         now.Add(24 * time.Hour),
	} {
		var got bytes.Buffer
		if err := report.Table(&got, report.New(report.Database{Revision: "r", UpdatedAt: updated}, now, nil)); err != nil {
			t.Fatal(err)
		}
		if got.String() != "\n"+want+"\n" {
			t.Errorf("got %q, want %q", got.String(), want)
		}
	}
}

// fullDisk fails after some bytes.
type fullDisk struct{ room int }

var errFull = errors.New("disk full")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorsAreTold(t *testing.T) {
	t.Parallel()
	for _, room := range []int{0, 100, 700} {
		for _, f := range report.Formats() {
			if err := report.Write(&fullDisk{room}, f, one()); !errors.Is(err, errFull) {
				t.Errorf("%s with room for %d: %v", f, room, err)
			}
		}
	}
}

// A release that gets no updates any more is said aloud; one that does is not.
func TestEndOfLife(t *testing.T) {
	t.Parallel()
	end := time.Date(2024, 6, 30, 0, 0, 0, 0, time.UTC)
	for now, ended := range map[time.Time]bool{end.AddDate(0, 0, -1): false, end.Add(23 * time.Hour): false, end.AddDate(0, 0, 2): true} {
		image := report.Image{OS: inventory.OS{Family: "debian", Version: "10"}, EndOfLife: &end}
		doc := report.New(report.Database{Revision: "r"}, now, []report.Image{image})
		var table, trivy strings.Builder
		if err := errors.Join(report.Table(&table, doc), report.Write(&trivy, report.FormatTrivy, doc)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(table.String(), "no security updates since 2024-06-30") != ended || strings.Contains(trivy.String(), `"EOSL": true`) != ended {
			t.Errorf("at %s:\n%s\n%s", now, table.String(), trivy.String())
		}
	}
}
