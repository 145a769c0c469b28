package build_test

import (
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	advisories := []build.Advisory{
		{Bucket: "debian 12", Package: "p", ID: "CVE-1", Advisory: vulndb.Advisory{Status: types.StatusWillNotFix, Severity: types.SeverityLow}},
		{Bucket: "rocky 8", Package: "p", ID: "CVE-1", Advisory: vulndb.Advisory{FixedVersion: "1-2", Arches: []string{"x86_64"}, VendorIDs: []string{"RLSA-1"}}},
		{Bucket: "rocky 8", Package: "p", ID: "CVE-1", Advisory: vulndb.Advisory{FixedVersion: "1-3", Arches: []string{"aarch64"}}},
		{Bucket: "Red Hat", Package: "p", ID: "CVE-1", Advisory: vulndb.Advisory{CPEs: []int{7}, Severity: types.SeverityHigh, Status: types.StatusAffected}},
		{Bucket: "Red Hat", Package: "p", ID: "CVE-2", Advisory: vulndb.Advisory{CPEs: []int{7, 8}, FixedVersion: "1-2", VendorIDs: []string{"RHSA-1"}}},
	}
	path, err := build.Write(t.TempDir(), build.Content{
		UpdatedAt: now, NextUpdate: now, Advisories: advisories,
		Channels: map[vulndb.ChannelKind]map[string][]int{vulndb.ContentSet: {"rhel-8": {7}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := vulndb.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := map[string][]vulndb.Advisory{}
	for _, a := range advisories {
		a.Advisory.VulnerabilityID = a.ID
		want[a.Bucket] = append(want[a.Bucket], a.Advisory)
	}
	for bucket, list := range want {
		got, err := db.Advisories(bucket, "p")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, got); diff != "" {
			t.Errorf("%s (-written +read):\n%s", bucket, diff)
		}
	}
	if cpes, err := db.CPEs(vulndb.ContentSet, "rhel-8"); err != nil || !cmp.Equal(cpes, []int{7}) {
		t.Errorf("products %v, %v", cpes, err)
	}
}
