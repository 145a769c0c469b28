package report_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/report"
)

var update = flag.Bool("update", false, "write the golden files")

func document() report.Document {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	published := time.Date(2022, 8, 5, 0, 0, 0, 0, time.UTC)
	return report.New(report.Database{Revision: "20261122T091136Z-0123456789ab", UpdatedAt: now.Add(-27 * time.Hour)}, now, []report.Image{
		{
			Image: inventory.Image{
				Reference: "registry.example/shop/web:1.4.2", Digest: "sha256:aa", ImageID: "sha256:bb", Platform: "linux/amd64", Size: 12345,
				Layers: []inventory.Layer{{Digest: "sha256:cc", DiffID: "sha256:dd", Size: 12000}},
			},
			OS: inventory.OS{Family: "alpine", Version: "3.17.3", Repository: "3.17"}, Packages: 15,
			Gaps:     []match.Gap{{Stream: "npm", Packages: 3, Reason: "which the vulnerability database has nothing about"}},
			Problems: []inventory.Problem{{Path: "srv/\x1b[2Jpackage.json", Analyzer: "npm", Reason: "unexpected EOF"}},
			Findings: []match.Finding{
				{
					Vulnerability: match.Vulnerability{
						ID: "CVE-2022-37434", Fixed: "1.2.12-r2", Severity: match.Critical, SeveritySource: "nvd", Status: "fixed", Source: "alpine",
						Summary: &match.Summary{
							Title: "zlib: a title that is so long that no terminal could show all of it in a row", Score: 9.8,
							Vector: "CVSS:3.1/AV:N", Published: &published, URL: "https://nvd.nist.gov/vuln/detail/CVE-2022-37434",
						},
					},
					Package: "zlib", Installed: "1.2.12-r1", Ecosystem: inventory.Apk, Layer: "sha256:dd", Path: "lib/apk/db/installed",
				},
				{
					Vulnerability: match.Vulnerability{ID: "TEMP-1", Status: "affected", Summary: &match.Summary{}},
					Package:       "\u202eevil", Installed: "1.0", Ecosystem: inventory.Apk,
				},
			},
		},
		{
			Image: inventory.Image{Reference: "unknown:1", Digest: "sha256:ee", Platform: "linux/arm64"},
			Gaps:  []match.Gap{{Stream: "alma 8.4", Reason: "whose package database was not found"}},
		},
	})
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

func TestTable(t *testing.T) {
	t.Parallel()
	golden(t, "report.txt", func(w io.Writer) error { return report.Table(w, document()) })
}

func TestJSON(t *testing.T) {
	t.Parallel()
	golden(t, "report.json", func(w io.Writer) error { return report.JSON(w, document()) })
}

func TestAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
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
		if err := report.Table(&fullDisk{room}, document()); !errors.Is(err, errFull) {
			t.Errorf("table with room for %d: %v", room, err)
		}
		if err := report.JSON(&fullDisk{room}, document()); !errors.Is(err, errFull) {
			t.Errorf("json with room for %d: %v", room, err)
		}
	}
}
