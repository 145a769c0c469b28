package vulndb_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

func content() build.Content {
	c := build.Content{
		UpdatedAt:  time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC),
		NextUpdate: time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC),
		Details:    map[string]vulndb.Detail{"CVE-1": {Title: "one", Severity: "HIGH"}},
		Sources:    map[string]types.DataSource{"debian 12": {ID: "debian", Name: "Debian"}},
		Advisories: []build.Advisory{
			{Bucket: "debian 12", Package: "openssl", ID: "CVE-1", Advisory: vulndb.Advisory{FixedVersion: "3.0"}},
			{Bucket: "debian 12", Package: "openssl", ID: "CVE-2", Advisory: vulndb.Advisory{Status: types.StatusWillNotFix}},
			{Bucket: "npm::x", Package: "lodash", ID: "GHSA-1", Advisory: vulndb.Advisory{VulnerableVersions: []string{"<4"}}},
		},
	}
	for _, pkg := range []string{"a", "b", "c", "d", "e", "f"} {
		c.Advisories = append(c.Advisories, build.Advisory{Bucket: "alpine 3.17", Package: pkg, ID: "CVE-1"})
	}
	return c
}

func write(t testing.TB, c build.Content) string {
	t.Helper()
	path, err := build.Write(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *vulndb.DB {
	t.Helper()
	db, err := vulndb.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestRead(t *testing.T) {
	t.Parallel()
	db := open(t, write(t, content()))
	if diff := cmp.Diff([]string{"alpine 3.17", "debian 12", "npm::x"}, db.Buckets()); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	if !db.HasBucket("debian 12") || db.HasBucket("debian 13") || db.HasBucket("vulnerability") {
		t.Error("HasBucket is wrong")
	}
	got, err := db.Advisories("debian 12", "openssl")
	if err != nil {
		t.Fatal(err)
	}
	source := &types.DataSource{ID: "debian", Name: "Debian"}
	want := []vulndb.Advisory{
		{VulnerabilityID: "CVE-1", FixedVersion: "3.0", DataSource: source},
		{VulnerabilityID: "CVE-2", Status: types.StatusWillNotFix, DataSource: source},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("advisories (-want +got):\n%s", diff)
	}
	for _, at := range [][2]string{{"debian 12", "none"}, {"debian 13", "openssl"}, {"", ""}} {
		if got, err := db.Advisories(at[0], at[1]); err != nil || got != nil {
			t.Errorf("advisories of %q in %q: %v, %v", at[1], at[0], got, err)
		}
	}
	if d, found, err := db.Detail("CVE-1"); err != nil || !found || d.Title != "one" {
		t.Errorf("detail: %+v, %v, %v", d, found, err)
	}
	if _, found, err := db.Detail("CVE-9"); err != nil || found {
		t.Errorf("unknown detail: %v, %v", found, err)
	}
	if got := db.Metadata().UpdatedAt; !got.Equal(content().UpdatedAt) {
		t.Errorf("updated at %v", got)
	}
}

// stored writes raw values into buckets of a database: path elements and the value last.
func stored(t *testing.T, path string, values ...[]string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, v := range values {
			bucket, err := tx.CreateBucketIfNotExists([]byte(v[0]))
			if err == nil {
				bucket, err = bucket.CreateBucketIfNotExists([]byte(v[1]))
			}
			if err == nil {
				err = bucket.Put([]byte(v[2]), []byte(v[3]))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralAdvisoriesInOne(t *testing.T) {
	t.Parallel()
	path := write(t, content())
	stored(t, path,
		[]string{"rocky 8", "openssl", "CVE-1", `{"FixedVersion":"1","Entries":[{"FixedVersion":"1","Arches":["x86_64"]},{"FixedVersion":"2","Arches":["aarch64"]}]}`},
		[]string{"rocky 8", "openssl", "CVE-2", `{"FixedVersion":"3","Entries":[{"FixedVersion":"2"},{"FixedVersion":"3","Arches":["noarch"]}]}`},
		[]string{"rocky 8", "openssl", "CVE-3", `{"FixedVersion":"4","Entries":[]}`},
		[]string{"Red Hat", "bash", "RHSA-1", `{"Entries":[{"FixedVersion":"3","Affected":[1,2],"Cves":[{"ID":"CVE-2","Severity":3},{"ID":"CVE-3"}]}]}`},
		[]string{"Red Hat", "bash", "CVE-4", `{"Entries":[{"Affected":[7],"Cves":[{"Severity":1}],"Status":5}]}`},
		[]string{"Red Hat", "broken", "CVE-5", `{"Entries":7}`},
		[]string{"Red Hat CPE", "repository", "rhel-8", `[1,2]`},
		[]string{"Red Hat CPE", "nvr", "broken", `x`})
	db := open(t, path)
	if slices.Contains(db.Buckets(), "Red Hat CPE") {
		t.Error("the bucket of channels holds no advisories")
	}
	for of, want := range map[[2]string][]vulndb.Advisory{
		{"rocky 8", "openssl"}: {
			{VulnerabilityID: "CVE-1", FixedVersion: "1", Arches: []string{"x86_64"}}, {VulnerabilityID: "CVE-1", FixedVersion: "2", Arches: []string{"aarch64"}},
			{VulnerabilityID: "CVE-2", FixedVersion: "3", Arches: []string{"noarch"}}, {VulnerabilityID: "CVE-3", FixedVersion: "4"},
		},
		{"Red Hat", "bash"}: {
			{VulnerabilityID: "CVE-4", CPEs: []int{7}, Severity: types.SeverityLow, Status: types.StatusWillNotFix},
			{VulnerabilityID: "CVE-2", VendorIDs: []string{"RHSA-1"}, FixedVersion: "3", CPEs: []int{1, 2}, Severity: types.SeverityHigh},
			{VulnerabilityID: "CVE-3", VendorIDs: []string{"RHSA-1"}, FixedVersion: "3", CPEs: []int{1, 2}},
		},
	} {
		got, err := db.Advisories(of[0], of[1])
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", of, err, diff)
		}
	}
	if _, err := db.Advisories("Red Hat", "broken"); !errors.Is(err, vulndb.ErrSchema) {
		t.Errorf("broken entries: %v", err)
	}
	if got, err := db.CPEs(vulndb.ContentSet, "rhel-8"); err != nil || !slices.Equal(got, []int{1, 2}) {
		t.Errorf("products %v, %v", got, err)
	}
	if got, err := db.CPEs(vulndb.Build, "unknown"); err != nil || got != nil {
		t.Errorf("products of an unknown build: %v, %v", got, err)
	}
	if _, err := db.CPEs(vulndb.Build, "broken"); !errors.Is(err, vulndb.ErrSchema) {
		t.Errorf("broken products: %v", err)
	}
	if got, err := open(t, write(t, content())).CPEs(vulndb.Build, "x"); err != nil || got != nil {
		t.Errorf("a database without products: %v, %v", got, err)
	}
}

func TestRevision(t *testing.T) {
	t.Parallel()
	path := write(t, content())
	first := open(t, path).Revision()
	if again := open(t, path).Revision(); again != first {
		t.Errorf("the same file is %s and %s", first, again)
	}
	changed := content()
	changed.Advisories = changed.Advisories[1:]
	if other := open(t, write(t, changed)).Revision(); other == first {
		t.Errorf("another content has the same revision %s", first)
	}
	newer := content()
	newer.UpdatedAt = newer.UpdatedAt.Add(time.Hour)
	if other := open(t, write(t, newer)).Revision(); other == first {
		t.Errorf("a newer build has the same revision %s", first)
	}
	// A mirror that notes its download does not make it another database.
	metadata := filepath.Join(filepath.Dir(path), vulndb.MetadataFile)
	text := `{"Version":2,"NextUpdate":"2026-11-21T06:00:00Z","UpdatedAt":"2026-11-20T06:00:00Z","DownloadedAt":"2026-11-20T07:00:00Z"}`
	if err := os.WriteFile(metadata, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := open(t, path).Revision(); got != first {
		t.Errorf("after a download it is %s, before %s", got, first)
	}
	if err := os.Remove(metadata); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	if db.Revision() == first || db.Revision() == "" || !db.Metadata().UpdatedAt.IsZero() {
		t.Errorf("without metadata: revision %q, updated at %v", db.Revision(), db.Metadata().UpdatedAt)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(write(t, content()))
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "other.db")
	other, err := bolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	foreignBytes, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	noMeta := bytes.Clone(good)
	clear(noMeta[:2*os.Getpagesize()])
	for _, tt := range []struct {
		name     string
		file     []byte
		metadata string
		want     error
	}{
		{"empty", nil, "", vulndb.ErrCorrupt},
		{"text", []byte("<html>rate limit exceeded</html>"), "", vulndb.ErrCorrupt},
		{"gzip", append([]byte{0x1f, 0x8b}, make([]byte, 100_000)...), "", vulndb.ErrCorrupt},
		{"cut short", good[:3*os.Getpagesize()], "", vulndb.ErrCorrupt},
		{"cut to the meta pages", good[:2*os.Getpagesize()], "", vulndb.ErrCorrupt},
		{"no meta pages", noMeta, "", vulndb.ErrCorrupt},
		{"another bbolt file", foreignBytes, "", vulndb.ErrSchema},
		{"schema 1", good, `{"Version":1}`, vulndb.ErrSchema},
		{"broken metadata", good, `{`, vulndb.ErrSchema},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "trivy.db")
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.metadata != "" {
				if err := os.WriteFile(filepath.Join(dir, vulndb.MetadataFile), []byte(tt.metadata), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			db, err := vulndb.Open(path)
			if err == nil {
				_ = db.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := vulndb.Open(filepath.Join(t.TempDir(), "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := vulndb.Open(t.TempDir()); !errors.Is(err, vulndb.ErrCorrupt) {
		t.Errorf("a folder: %v", err)
	}
}

// TestDamageNeverPanics turns bytes of a good file around, many times over, and
// reads all of what still opens.
func TestDamageNeverPanics(t *testing.T) {
	t.Parallel()
	path := write(t, content())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var refused int
	for range 300 {
		damaged := bytes.Clone(good)
		for range 20 {
			damaged[random.IntN(len(damaged))] ^= byte(1 + random.IntN(255))
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if readAll(path) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed: the test damages nothing")
	}
}

func readAll(path string) (err error) {
	db, err := vulndb.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, a := range content().Advisories {
		_, e1 := db.Advisories(a.Bucket, a.Package)
		_, _, e2 := db.Detail(a.ID)
		err = errors.Join(err, e1, e2)
	}
	return err
}

func TestTwoDatabasesAtOnce(t *testing.T) {
	t.Parallel()
	path := write(t, content())
	old := open(t, path)
	// A new build takes the old one's place while the old one is read.
	changed := content()
	changed.Details["CVE-1"] = vulndb.Detail{Title: "changed"}
	if _, err := build.Write(filepath.Dir(path), changed); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, path)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 100 {
				a, _, errA := old.Detail("CVE-1")
				b, _, errB := fresh.Detail("CVE-1")
				if errA != nil || errB != nil || a.Title != "one" || b.Title != "changed" {
					t.Errorf("old %q %v, new %q %v", a.Title, errA, b.Title, errB)
				}
			}
		})
	}
	wait.Wait()
}

func FuzzOpen(f *testing.F) {
	good, err := os.ReadFile(write(f, content()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:9000])
	f.Add([]byte("no database"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "trivy.db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = readAll(path)
	})
}
