//go:build real

package realtest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

func day() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// madeByCode is material without fixtures.
func madeByCode(t *testing.T) material {
	t.Helper()
	db, err := build.Write(t.TempDir(), sampleimage.Advisories(day()))
	if err != nil {
		t.Fatal(err)
	}
	return material{
		db: db, step: 1 << 10,
		want: map[string][]finding{
			"shop/clock:0.3": nil,
			"base/alpine:3.17": {
				{"CVE-2022-37434", "zlib", "1.2.12-r1", "1.2.12-r2", "critical"},
				{"CVE-2023-0286", "libcrypto3", "3.0.7-r0", "3.0.8-r0", "high"},
				{"CVE-2023-0286", "libssl3", "3.0.7-r0", "3.0.8-r0", "high"},
			},
		},
		push: func(t *testing.T, r *registryServer, login credentials) {
			catalog, err := sampleimage.Catalog(day())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range catalog {
				pushImage(t, r.reference(t, c.Repository+":"+c.Tag), c.Image, login)
			}
		},
	}
}

// addAdvisory replaces the database by one that knows a vulnerability more.
func addAdvisory(t *testing.T, db string) {
	t.Helper()
	content := sampleimage.Advisories(day().Add(24 * time.Hour))
	content.Advisories = append(content.Advisories, build.Advisory{
		Bucket: "debian 12", Package: "tzdata", ID: "CVE-2026-0001",
		Advisory: vulndb.Advisory{FixedVersion: "2026a-0+deb12u1"},
	})
	content.Details["CVE-2026-0001"] = vulndb.Detail{Severity: types.SeverityCritical.String(), VendorSeverity: types.VendorSeverity{"nvd": types.SeverityCritical}}
	if _, err := build.Write(filepath.Dir(db), content); err != nil {
		t.Fatal(err)
	}
}
