package match_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// fakeDB is a database in memory that counts how often it is asked.
type fakeDB struct {
	advisories map[string]map[string][]vulndb.Advisory
	details    map[string]vulndb.Detail
	cpes       map[string][]int
	asked      atomic.Int64
	err        error
}

func (f *fakeDB) Buckets() []string {
	var names []string
	for name := range f.advisories {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *fakeDB) Advisories(bucket, pkg string) ([]vulndb.Advisory, error) {
	f.asked.Add(1)
	return f.advisories[bucket][pkg], f.err
}

func (f *fakeDB) Detail(id string) (vulndb.Detail, bool, error) {
	d, ok := f.details[id]
	return d, ok, nil
}

func (f *fakeDB) CPEs(kind vulndb.ChannelKind, name string) ([]int, error) {
	return f.cpes[string(kind)+" "+name], f.err
}

func (f *fakeDB) add(bucket, pkg string, a vulndb.Advisory) {
	if f.advisories == nil {
		f.advisories = map[string]map[string][]vulndb.Advisory{}
	}
	if f.advisories[bucket] == nil {
		f.advisories[bucket] = map[string][]vulndb.Advisory{}
	}
	f.advisories[bucket][pkg] = append(f.advisories[bucket][pkg], a)
}

// found returns the ids that a key has.
func found(t *testing.T, m *match.Matcher, key match.Key) []string {
	t.Helper()
	vulnerabilities, err := m.Findings(key)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, v := range vulnerabilities {
		ids = append(ids, v.ID)
	}
	return ids
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, stream, version string
		advisory              vulndb.Advisory
		want                  bool
	}{
		{"deb below", "debian 12", "1.0-1", vulndb.Advisory{FixedVersion: "1.0-2"}, true},
		{"deb equal", "debian 12", "1.0-2", vulndb.Advisory{FixedVersion: "1.0-2"}, false},
		{"deb above", "debian 12", "1.0-3", vulndb.Advisory{FixedVersion: "1.0-2"}, false},
		{"deb unfixed", "debian 12", "1.0", vulndb.Advisory{}, true},
		{"deb epoch", "debian 12", "1:1.0", vulndb.Advisory{FixedVersion: "2.0"}, false},
		{"deb epoch of the fix", "debian 12", "9.0", vulndb.Advisory{FixedVersion: "1:1.0"}, true},
		{"deb tilde", "debian 12", "1.0~rc1", vulndb.Advisory{FixedVersion: "1.0"}, true},
		{"deb unreadable fix", "debian 12", "1.0", vulndb.Advisory{FixedVersion: "soon"}, false},
		{"deb unreadable version", "debian 12", "what", vulndb.Advisory{}, false},
		{"ubuntu below", "ubuntu 18.04", "1.0ubuntu1", vulndb.Advisory{FixedVersion: "1.0ubuntu1.1"}, true},
		{"apk below", "alpine 3.17", "1.2.12-r1", vulndb.Advisory{FixedVersion: "1.2.12-r2"}, true},
		{"apk equal", "alpine 3.17", "1.2.12-r2", vulndb.Advisory{FixedVersion: "1.2.12-r2"}, false},
		{"apk suffix", "alpine 3.17", "1.2_rc1-r0", vulndb.Advisory{FixedVersion: "1.2-r0"}, true},
		{"apk never affected", "alpine 3.17", "1.0-r0", vulndb.Advisory{FixedVersion: "0"}, false},
		{"apk unfixed", "alpine 3.17", "1.0-r0", vulndb.Advisory{AffectedVersion: "1.0-r0"}, true},
		{"apk before it came", "alpine 3.17", "0.9-r0", vulndb.Advisory{AffectedVersion: "1.0-r0", FixedVersion: "1.1-r0"}, false},
		{"apk within", "alpine 3.17", "1.0-r5", vulndb.Advisory{AffectedVersion: "1.0-r0", FixedVersion: "1.1-r0"}, true},
		{"npm within", "npm", "4.17.11", vulndb.Advisory{VulnerableVersions: []string{"<4.17.12"}, PatchedVersions: []string{">=4.17.12"}}, true},
		{"npm patched", "npm", "4.17.12", vulndb.Advisory{VulnerableVersions: []string{"<4.17.12"}, PatchedVersions: []string{">=4.17.12"}}, false},
		{"npm only patched", "npm", "1.0.0", vulndb.Advisory{PatchedVersions: []string{">=2"}}, true},
		{"npm unaffected", "npm", "1.0.0", vulndb.Advisory{VulnerableVersions: []string{"*"}, UnaffectedVersions: []string{"<1.5"}}, false},
		{"npm several ranges", "npm", "2.0.0", vulndb.Advisory{VulnerableVersions: []string{">=1.7.0 <1.7.16", ">=2.0.0 <2.0.8"}}, true},
		{"npm prerelease", "npm", "1.45.1-lts.1", vulndb.Advisory{VulnerableVersions: []string{">=1.4.4-lts.1, <2.0.0"}, PatchedVersions: []string{"2.0.0"}}, true},
		{"npm empty range is every version", "npm", "1.0.0", vulndb.Advisory{VulnerableVersions: []string{""}}, true},
		{"npm nothing said", "npm", "1.0.0", vulndb.Advisory{}, false},
		{"npm unreadable range", "npm", "1.0.0", vulndb.Advisory{VulnerableVersions: []string{"!1.0.0"}}, false},
		{"npm unreadable version", "npm", "1.2..4", vulndb.Advisory{VulnerableVersions: []string{"<2"}}, false},
		{"a stream that nobody knows", "plan9 4", "1", vulndb.Advisory{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := &fakeDB{}
			bucket := tt.stream
			if bucket == "npm" {
				bucket = "npm::source"
			}
			tt.advisory.VulnerabilityID = "CVE-1"
			db.add(bucket, "p", tt.advisory)
			got := found(t, match.New(db), match.Key{Stream: tt.stream, Name: "p", Version: tt.version})
			if (len(got) == 1) != tt.want {
				t.Errorf("affected: %v, want %v", len(got) == 1, tt.want)
			}
		})
	}
}

func TestFixedVersion(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]vulndb.Advisory{
		">=4.6.0":      {VulnerableVersions: []string{"<4.6.0"}, PatchedVersions: []string{">=4.6.0"}},
		"1.2, 2.3":     {VulnerableVersions: []string{"<1.2", ">=2.0, <2.3", "<1.2"}},
		"2.0":          {VulnerableVersions: []string{">=1.0, < 2.0", "<=0.5"}},
		"1.7.16, 1.8.": {VulnerableVersions: []string{"*"}, PatchedVersions: []string{"1.7.16", "1.8."}, UnaffectedVersions: []string{"<0.1"}},
	} {
		db := &fakeDB{}
		a.VulnerabilityID = "GHSA-1"
		db.add("npm::x", "p", a)
		got, err := match.New(db).Findings(match.Key{Stream: "npm", Name: "p", Version: "1.0.0"})
		if err != nil || len(got) > 1 {
			t.Fatal(got, err)
		}
		if len(got) == 1 && got[0].Fixed != want {
			t.Errorf("fixed %q, want %q", got[0].Fixed, want)
		}
	}
}

func TestLastBucketOverrides(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	every := []string{""}
	db.add("npm::a", "p", vulndb.Advisory{VulnerabilityID: "CVE-1", VulnerableVersions: every, PatchedVersions: []string{"1"}})
	db.add("npm::b", "p", vulndb.Advisory{VulnerabilityID: "CVE-1", VulnerableVersions: every, PatchedVersions: []string{"2"}})
	db.add("npm::b", "p", vulndb.Advisory{VulnerabilityID: "CVE-0", VulnerableVersions: every})
	db.add("npmx::c", "p", vulndb.Advisory{VulnerabilityID: "CVE-9", VulnerableVersions: every})
	db.add("nuget::c", "p", vulndb.Advisory{VulnerabilityID: "CVE-8", VulnerableVersions: every})
	got, err := match.New(db).Findings(match.Key{Stream: "npm", Name: "p", Version: "1.0.0"})
	if err != nil || len(got) != 2 || got[0].ID != "CVE-0" || got[1].ID != "CVE-1" || got[1].Fixed != "2" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	db.add("debian 12", "openssl", vulndb.Advisory{VulnerabilityID: "CVE-2", FixedVersion: "3.1"})
	db.add("debian 12", "openssl", vulndb.Advisory{VulnerabilityID: "CVE-1"})
	db.add("npm::x", "lodash", vulndb.Advisory{VulnerabilityID: "GHSA-1", VulnerableVersions: []string{"<5"}})
	system := inventory.PackageSet{Ecosystem: inventory.Dpkg, Packages: []inventory.Package{
		{Name: "libssl3", Version: "3.0", SourceName: "openssl", Arch: "amd64"},
		{Name: "libssl3", Version: "3.0", SourceName: "openssl", Arch: "i386"},
		{Name: "openssl", Version: "3.0", ThirdParty: true},
	}}
	lodash := inventory.PackageSet{Ecosystem: inventory.NPM, Packages: []inventory.Package{{Name: "lodash", Version: "4.0.0"}}}
	sets := map[inventory.SetID]inventory.PackageSet{"system": system, "lodash": lodash}
	lookup := func(id inventory.SetID) (inventory.PackageSet, bool) { s, ok := sets[id]; return s, ok }
	inv := inventory.Inventory{
		Image: inventory.Image{Layers: []inventory.Layer{{DiffID: "base"}, {DiffID: "app"}}},
		OS:    inventory.OS{Family: "debian", Version: "12.5"},
		Sources: []inventory.Source{
			{Set: "lodash", Path: "a/package.json", Layer: 1},
			{Set: "lodash", Path: "b/package.json", Layer: 0},
			{Set: "system", Path: "var/lib/dpkg/status", Layer: 1, Origins: []int{0, 1, 1}},
			{Set: "system", Path: "var/lib/dpkg/status.d/x", Layer: 1},
		},
	}
	m := match.New(db)
	got, err := m.Image(inv, lookup)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range got {
		lines = append(lines, strings.Join([]string{f.ID, f.Package, f.Installed, f.Fixed, f.Layer, f.Path}, " "))
	}
	want := []string{
		// One package for two architectures and in two databases is one finding.
		"CVE-1 libssl3 3.0  base var/lib/dpkg/status",
		"CVE-2 libssl3 3.0 3.1 base var/lib/dpkg/status",
		// One language package in two places is two.
		"GHSA-1 lodash 4.0.0 5 app a/package.json",
		"GHSA-1 lodash 4.0.0 5 base b/package.json",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	gaps, err := m.Gaps(inv, lookup)
	if err != nil || len(gaps) != 1 || gaps[0].Stream != "debian 12" || gaps[0].Packages != 2 {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
	inv.OS.Version = "13.1"
	if gaps, err = m.Gaps(inv, lookup); err != nil || len(gaps) != 2 || gaps[1].Packages != 4 {
		t.Errorf("a release without advisories: gaps %+v, %v", gaps, err)
	}
	inv.OS = inventory.OS{}
	if gaps, err = m.Gaps(inv, lookup); err != nil || len(gaps) != 1 || gaps[0].Packages != 6 {
		t.Errorf("no operating system: gaps %+v, %v", gaps, err)
	}
	none := inventory.Inventory{OS: inventory.OS{Family: "alma", Version: "8.4"}}
	if gaps, err = m.Gaps(none, lookup); err != nil || len(gaps) != 1 || gaps[0].Stream != "alma 8.4" || gaps[0].Packages != 0 {
		t.Errorf("no package database: gaps %+v, %v", gaps, err)
	}
	delete(sets, "lodash")
	if _, err := m.Image(inv, lookup); err == nil {
		t.Error("a missing set must be an error, not an image without findings")
	}
	if _, err := m.Gaps(inv, lookup); err == nil {
		t.Error("a missing set must be an error, not an image without gaps")
	}
}

func TestEqualKeysAreComputedOnce(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	db.add("debian 12", "p", vulndb.Advisory{VulnerabilityID: "CVE-1"})
	m := match.New(db)
	key := match.Key{Stream: "debian 12", Name: "p", Version: "1"}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				if got, err := m.Findings(key); err != nil || len(got) != 1 {
					t.Errorf("got %v, %v", got, err)
				}
			}
		})
	}
	wait.Wait()
	if n := db.asked.Load(); n != 1 {
		t.Errorf("the database was asked %d times", n)
	}
}

func TestErrorsAreNotRemembered(t *testing.T) {
	t.Parallel()
	db := &fakeDB{err: errors.New("disk on fire")}
	db.add("debian 12", "p", vulndb.Advisory{VulnerabilityID: "CVE-1"})
	m := match.New(db)
	key := match.Key{Stream: "debian 12", Name: "p", Version: "1"}
	if _, err := m.Findings(key); !errors.Is(err, db.err) {
		t.Errorf("got %v, want the database's error", err)
	}
	db.err = nil
	if got := found(t, m, key); len(got) != 1 {
		t.Errorf("after the fire: %v", got)
	}
}

func FuzzVersions(f *testing.F) {
	f.Add("1.0-1", "1.0-2", "<2")
	f.Add("1:1.2.3~rc1", "", ">=1.0.0 <2 || 3.x")
	f.Add("1.2.12-r1", "1.2.12-r2", "^1.2")
	f.Fuzz(func(t *testing.T, version, fixed, versions string) {
		db := &fakeDB{}
		for _, bucket := range []string{"debian 12", "alpine 3.17", "npm::x"} {
			db.add(bucket, "p", vulndb.Advisory{VulnerabilityID: "CVE-1", FixedVersion: fixed, VulnerableVersions: []string{versions}})
		}
		m := match.New(db)
		for _, stream := range []string{"debian 12", "alpine 3.17", "npm"} {
			_, _ = m.Findings(match.Key{Stream: stream, Name: "p", Version: version})
		}
	})
}
