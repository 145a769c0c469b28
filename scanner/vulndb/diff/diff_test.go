package diff_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
	"github.com/muster-sec/muster/scanner/vulndb/diff"
)

func open(t *testing.T, c build.Content) *vulndb.DB {
	t.Helper()
	file, err := build.Write(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	db, err := vulndb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestCompare(t *testing.T) {
	t.Parallel()
	content := sampleimage.Advisories(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	before := open(t, content)
	content.Advisories = append(content.Advisories[1:],
		build.Advisory{Bucket: "alpine 3.18", Package: "zlib", ID: "CVE-2", Advisory: vulndb.Advisory{FixedVersion: "2"}},
		build.Advisory{Bucket: "npm::GitHub Security Advisory npm", Package: "lodash", ID: "CVE-3"},
	)
	content.Advisories[1].FixedVersion = "2.36-9+deb12u7"
	after := open(t, content)
	got, err := diff.Compare(before, after)
	if err != nil {
		t.Fatal(err)
	}
	want := diff.Result{Old: before.Revision(), New: after.Revision(), Ecosystems: []diff.Ecosystem{
		{Name: "alpine 3.17", Removed: 1, Before: 2, After: 1, Examples: []string{"-CVE-2022-37434 zlib"}},
		{Name: "alpine 3.18", Added: 1, After: 1, Examples: []string{"+CVE-2 zlib"}},
		{Name: "debian 12", Changed: 1, Before: 3, After: 3, Examples: []string{"~CVE-2024-2961 glibc"}},
		{Name: "npm", Added: 1, Before: 2, After: 3, Examples: []string{"+CVE-3 lodash"}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	same, err := diff.Compare(before, before)
	if err != nil || len(same.Ecosystems) != 0 || same.Same != 3 {
		t.Errorf("%+v, %v", same, err)
	}
}
