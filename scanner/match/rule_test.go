package match_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vulndb"
)

func TestRpmKeys(t *testing.T) {
	t.Parallel()
	p := inventory.Package{Name: "npm", Version: "6.14-1.module_el8", SourceName: "nodejs", SourceVersion: "12.1-1.module_el8", Arch: "x86_64", Module: "nodejs:12"}
	plain := inventory.Package{Name: "npm", Version: "1:6.14-1", SourceName: "nodejs", SourceVersion: "12.1-1", Arch: "x86_64"}
	lost := p
	lost.Module = ""
	told := plain
	told.Channels = inventory.Build{ContentSets: []string{"a", "b"}, Name: "n"}.Channels()
	for _, tt := range []struct {
		name            string
		p               inventory.Package
		family, version string
		want            match.Key
	}{
		{"alma", p, "alma", "8.4", match.Key{Stream: "alma 8", Name: "nodejs:12::npm", Version: p.Version}},
		{"alma that lost its module", lost, "alma", "8.4", match.Key{}},
		{"rocky", p, "rocky", "8.4", match.Key{Stream: "rocky 8", Name: "nodejs:12::npm", Version: p.Version, Arch: "x86_64"}},
		{"oracle", plain, "oracle", "8.4", match.Key{Stream: "Oracle Linux 8", Name: "npm", Version: "1:6.14-1", Arch: "x86_64"}},
		{"redhat", p, "redhat", "8.4", match.Key{Stream: "redhat 8", Name: "nodejs:12::npm", Version: p.Version, Arch: "x86_64"}},
		{"redhat that tells its channels", told, "redhat", "8.4", match.Key{Stream: "redhat 8 a,b/n", Name: "npm", Version: "1:6.14-1", Arch: "x86_64"}},
		{"centos", plain, "centos", "7.6.1810", match.Key{Stream: "redhat 7", Name: "npm", Version: "1:6.14-1", Arch: "x86_64"}},
		{"amazon 1", plain, "amazon", "AMI release 2018.03", match.Key{Stream: "amazon linux 1", Name: "npm", Version: "1:6.14-1"}},
		{"amazon 2", plain, "amazon", "2 (Karoo)", match.Key{Stream: "amazon linux 2", Name: "npm", Version: "1:6.14-1"}},
		{"amazon 2023", plain, "amazon", "2023.1.2 (Amazon Linux)", match.Key{Stream: "amazon linux 2023", Name: "npm", Version: "1:6.14-1"}},
		{"photon", plain, "photon", "3.0", match.Key{Stream: "Photon OS 3.0", Name: "nodejs", Version: "1:6.14-1"}},
		{"mariner", plain, "cbl-mariner", "2.0.2021", match.Key{Stream: "CBL-Mariner 2.0", Name: "nodejs", Version: "12.1-1"}},
		{"azure", plain, "azurelinux", "3.0", match.Key{Stream: "Azure Linux 3.0", Name: "nodejs", Version: "12.1-1"}},
		{"sles", plain, "sles", "15.3", match.Key{Stream: "SUSE Linux Enterprise 15.3", Name: "npm", Version: "1:6.14-1"}},
		{"slem", plain, "slem", "5.3", match.Key{Stream: "SUSE Linux Enterprise Micro 5.3", Name: "npm", Version: "1:6.14-1"}},
		{"leap", plain, "opensuse-leap", "15.1", match.Key{Stream: "openSUSE Leap 15.1", Name: "npm", Version: "1:6.14-1"}},
		{"tumbleweed", plain, "opensuse-tumbleweed", "2024", match.Key{Stream: "openSUSE Tumbleweed", Name: "npm", Version: "1:6.14-1"}},
		{"bottlerocket", plain, "bottlerocket", "1.20.0", match.Key{Stream: "bottlerocket", Name: "npm", Version: "1:6.14-1"}},
		{"fedora", plain, "fedora", "35", match.Key{}},
		{"a signing key", inventory.Package{Name: "gpg-pubkey", Version: "1"}, "rocky", "8", match.Key{}},
	} {
		got, ok := match.KeyOf(tt.p, inventory.Rpm, inventory.OS{Family: tt.family, Version: tt.version})
		if got != tt.want || ok != (tt.want != match.Key{}) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		if !ok {
			continue
		}
		// Whatever has a key can be looked up by it.
		db := &fakeDB{}
		db.add("x", "y", vulndb.Advisory{})
		if _, err := match.New(db).Findings(got); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestRpmVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		key      match.Key
		bucket   string
		advisory vulndb.Advisory
		want     bool
	}{
		{"alma below", match.Key{Stream: "alma 8", Version: "1.0-1.el8"}, "alma 8", vulndb.Advisory{FixedVersion: "1.0-2.el8"}, true},
		{"alma equal", match.Key{Stream: "alma 8", Version: "1.0-2.el8"}, "alma 8", vulndb.Advisory{FixedVersion: "0:1.0-2.el8"}, false},
		{"alma epoch", match.Key{Stream: "alma 8", Version: "1:0.1-2.el8"}, "alma 8", vulndb.Advisory{FixedVersion: "1.0-2.el8"}, false},
		{"alma unfixed", match.Key{Stream: "alma 8", Version: "1.0-2.el8"}, "alma 8", vulndb.Advisory{}, false},
		{"mariner unfixed", match.Key{Stream: "CBL-Mariner 2.0", Version: "1.0-2"}, "CBL-Mariner 2.0", vulndb.Advisory{}, true},
		{"rocky other architecture", match.Key{Stream: "rocky 8", Version: "1-1", Arch: "aarch64"}, "rocky 8",
			vulndb.Advisory{FixedVersion: "1-2", Arches: []string{"x86_64"}}, false},
		{"rocky", match.Key{Stream: "rocky 8", Version: "1-1", Arch: "x86_64"}, "rocky 8",
			vulndb.Advisory{FixedVersion: "1-2", Arches: []string{"x86_64"}}, true},
		{"rocky of an old database", match.Key{Stream: "rocky 8", Version: "1-1", Arch: "x86_64"}, "rocky 8", vulndb.Advisory{FixedVersion: "1-2"}, true},
		{"oracle live patch", match.Key{Stream: "Oracle Linux 8", Version: "2-9.ksplice1.el8"}, "Oracle Linux 8", vulndb.Advisory{FixedVersion: "2-10.el8"}, false},
		{"oracle live patch of a live patch", match.Key{Stream: "Oracle Linux 8", Version: "2-9.ksplice1.el8"}, "Oracle Linux 8",
			vulndb.Advisory{FixedVersion: "2-10.ksplice1.el8"}, true},
		{"oracle FIPS", match.Key{Stream: "Oracle Linux 8", Version: "2-9.el8"}, "Oracle Linux 8", vulndb.Advisory{FixedVersion: "2-10.el8_FIPS"}, false},
		{"amazon", match.Key{Stream: "amazon linux 2", Version: "99:9-1.amzn2"}, "amazon linux 2", vulndb.Advisory{FixedVersion: "99:9-2.amzn2"}, true},
		{"amazon unreadable", match.Key{Stream: "amazon linux 2", Version: "what"}, "amazon linux 2", vulndb.Advisory{FixedVersion: "1"}, false},
		{"wolfi", match.Key{Stream: "wolfi", Version: "1.0-r0"}, "wolfi", vulndb.Advisory{FixedVersion: "1.0-r1"}, true},
		{"minimos", match.Key{Stream: "minimos", Version: "1.0-r0"}, "minimos", vulndb.Advisory{FixedVersion: "1.0-r1"}, true},
		{"echo", match.Key{Stream: "echo", Version: "1.0-1"}, "echo", vulndb.Advisory{FixedVersion: "1.0-1+e1"}, true},
		{"echo unfixed", match.Key{Stream: "echo", Version: "1.0-1"}, "echo", vulndb.Advisory{}, true},
		{"wolfi unfixed", match.Key{Stream: "wolfi", Version: "1.0-r0"}, "wolfi", vulndb.Advisory{}, false},
		{"python", match.Key{Stream: "pip", Version: "1.0rc1"}, "pip::x", vulndb.Advisory{VulnerableVersions: []string{"<1.0"}}, true},
		{"gem", match.Key{Stream: "rubygems", Version: "3.2.22"}, "rubygems::x", vulndb.Advisory{PatchedVersions: []string{"~> 3.2.22.5", ">= 4.2.2"}}, true},
		{"maven brackets", match.Key{Stream: "maven", Version: "2.9.9"}, "maven::x", vulndb.Advisory{VulnerableVersions: []string{"[2.9.0,2.9.10.7)"}}, true},
		{"go", match.Key{Stream: "go", Version: "v1.2.3"}, "go::x", vulndb.Advisory{VulnerableVersions: []string{"<1.2.4"}}, true},
		{"composer", match.Key{Stream: "composer", Version: "1.8.3"}, "composer::x", vulndb.Advisory{VulnerableVersions: []string{">=1, <1.8.4"}}, true},
	} {
		tt.key.Name, tt.advisory.VulnerabilityID = "p", "CVE-1"
		db := &fakeDB{}
		db.add(tt.bucket, "p", tt.advisory)
		if got := found(t, match.New(db), tt.key); (len(got) == 1) != tt.want {
			t.Errorf("%s: affected %v, want %v", tt.name, len(got) == 1, tt.want)
		}
	}
}

// The gem library changes a range of "~>" when it checks it, so that a range
// which is parsed once answers rightly only once.
func TestGemRangesAnswerTwice(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	db.add("rubygems::x", "rack", vulndb.Advisory{
		VulnerabilityID: "CVE-1", PatchedVersions: []string{"~> 1.1.3", "~> 1.3.6", ">= 1.4.0"},
	})
	m := match.New(db)
	for range 2 {
		for version, want := range map[string]int{"1.1.2": 1, "1.1.9": 0, "1.3.5": 1, "1.3.6": 0, "1.3.7": 0, "1.3.9": 0, "1.4.0": 0} {
			if got := found(t, m, match.Key{Stream: "rubygems", Name: "rack", Version: version}); len(got) != want {
				t.Errorf("rack %s: %d findings, want %d", version, len(got), want)
			}
		}
		m = match.New(db)
	}
}

// Only some distributions say what they will not fix; elsewhere a status is not theirs.
func TestStatusIsTheVendors(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]string{
		"debian 12": "will_not_fix", "echo": "will_not_fix", "ubuntu 22.04": "affected", "alpine 3.17": "affected", "CBL-Mariner 2.0": "affected",
	} {
		db := &fakeDB{}
		db.add(stream, "p", vulndb.Advisory{VulnerabilityID: "CVE-1", Status: types.StatusWillNotFix})
		got, err := match.New(db).Findings(match.Key{Stream: stream, Name: "p", Version: "1.0-r1"})
		if err != nil || len(got) != 1 || got[0].Status != want {
			t.Errorf("%s: %+v, %v, want one that is %s", stream, got, err, want)
		}
	}
}

func TestEchoJudgesThirdParties(t *testing.T) {
	t.Parallel()
	p := inventory.Package{Name: "docker-ce", Version: "1", ThirdParty: true}
	for family, want := range map[string]bool{"echo": true, "debian": false} {
		if _, judged := match.KeyOf(p, inventory.Dpkg, inventory.OS{Family: family, Version: "1"}); judged != want {
			t.Errorf("%s judges a third party's package: %v, want %v", family, judged, want)
		}
	}
}

func TestRedHat(t *testing.T) {
	t.Parallel()
	db := &fakeDB{cpes: map[string][]int{
		"repository rhel-8-for-x86_64-baseos-rpms": {1}, "repository eus__9_DOT_2": {2}, "nvr build-1": {3},
	}}
	advise := func(id, fixed string, severity types.Severity, status types.Status, cpes []int, arches ...string) {
		db.add("Red Hat", "p", vulndb.Advisory{VulnerabilityID: id, FixedVersion: fixed, Severity: severity, Status: status, CPEs: cpes, Arches: arches})
	}
	advise("CVE-1", "1-5", types.SeverityHigh, 0, []int{1})
	advise("CVE-1", "1-3", types.SeverityLow, 0, []int{1})
	advise("CVE-2", "", types.SeverityMedium, types.StatusWillNotFix, []int{1, 2})
	advise("CVE-3", "1-9", types.SeverityLow, 0, []int{2})
	advise("CVE-4", "1-9", types.SeverityLow, 0, []int{3}, "aarch64")
	advise("CVE-5", "", types.SeverityLow, types.StatusAffected, []int{1})
	advise("CVE-5", "0:1-4", types.SeverityLow, 0, []int{1})
	m := match.New(db)
	for _, tt := range []struct {
		name, stream, version, arch string
		want                        []string
	}{
		{"default repositories", "redhat 8", "1-4", "x86_64", []string{"CVE-1 1-5 HIGH fixed", "CVE-2  MEDIUM will_not_fix"}},
		{"below all", "redhat 8", "1-1", "x86_64", []string{"CVE-1 1-5 HIGH fixed", "CVE-2  MEDIUM will_not_fix", "CVE-5 1-4 LOW fixed"}},
		{"named repository", "redhat 8 eus__9_DOT_2/", "1-4", "x86_64", []string{"CVE-2  MEDIUM will_not_fix", "CVE-3 1-9 LOW fixed"}},
		{"suffix of a build", "redhat 8 rhel-8-for-x86_64-baseos-rpms__8/", "1-5", "x86_64", []string{"CVE-2  MEDIUM will_not_fix"}},
		{"build", "redhat 8 /build-1", "1-4", "aarch64", []string{"CVE-4 1-9 LOW fixed"}},
		{"other architecture", "redhat 8 /build-1", "1-4", "x86_64", nil},
		{"no architecture", "redhat 8 /build-1", "1-4", "noarch", []string{"CVE-4 1-9 LOW fixed"}},
		{"unknown release", "redhat 5", "1-4", "x86_64", nil},
	} {
		vulnerabilities, err := m.Findings(match.Key{Stream: tt.stream, Name: "p", Version: tt.version, Arch: tt.arch})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range vulnerabilities {
			got = append(got, v.ID+" "+v.Fixed+" "+v.Severity.String()+" "+v.Status)
		}
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// The library of RubyGems changes what it compares: an advisory that is asked about
// many versions, by many at once, must answer like the first time.
func TestGemsAreComparedAnew(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	db.add("rubygems::x", "actionpack", vulndb.Advisory{VulnerabilityID: "CVE-1", PatchedVersions: []string{"~> 3.0.10", "~> 3.1.0.rc6", ">= 3.1.0"}})
	m := match.New(db)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for n := range 40 {
				version := fmt.Sprintf("3.0.%d", n)
				found, err := m.Findings(match.Key{Stream: "rubygems", Name: "actionpack", Version: version})
				if affected := len(found) > 0; err != nil || affected != (n < 10) {
					t.Errorf("%s: affected %v, %v", version, affected, err)
				}
			}
		})
	}
	group.Wait()
}

func TestRpmImage(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	db.add("rocky 8", "p", vulndb.Advisory{VulnerabilityID: "CVE-1", FixedVersion: "1-2", Arches: []string{"i686", "x86_64"}})
	set := inventory.PackageSet{Ecosystem: inventory.Rpm, Packages: []inventory.Package{
		{Name: "p", Version: "1-1", Arch: "i686"}, {Name: "p", Version: "1-1", Arch: "x86_64"},
	}}
	app := inventory.PackageSet{Ecosystem: inventory.Go, Packages: []inventory.Package{{Name: "example.com/app"}}}
	db.add("go::x", "example.com/app", vulndb.Advisory{VulnerabilityID: "GO-1", VulnerableVersions: []string{""}})
	inv := inventory.Inventory{
		OS:      inventory.OS{Family: "rocky", Version: "8.4"},
		Sources: []inventory.Source{{Set: "a", Path: "var/lib/rpm/Packages"}, {Set: "b", Path: "usr/bin/app"}},
	}
	sets := func(id inventory.SetID) (inventory.PackageSet, bool) {
		return map[inventory.SetID]inventory.PackageSet{"a": set, "b": app}[id], true
	}
	m := match.New(db)
	findings, err := m.Image(inv, sets)
	if err != nil || len(findings) != 1 {
		t.Errorf("%d findings, want one for both architectures and none for an unknown version; %v", len(findings), err)
	}
	db.add("rocky 8", "p", vulndb.Advisory{VulnerabilityID: "CVE-2", FixedVersion: "1-2", Arches: []string{"i686"}})
	db.add("rocky 8", "p", vulndb.Advisory{VulnerabilityID: "CVE-2", FixedVersion: "1-3", Arches: []string{"x86_64"}})
	if findings, err := match.New(db).Image(inv, sets); err != nil || len(findings) != 3 {
		t.Errorf("%d findings, want one more for each version that repairs an architecture; %v", len(findings), err)
	}
	gaps, err := m.Gaps(inv, sets)
	if err != nil || len(gaps) != 1 || gaps[0].Stream != "go" {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
}
