package match_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vulndb"
)

func TestSeverity(t *testing.T) {
	t.Parallel()
	near := &types.DataSource{ID: "debian"}
	record := func(overall string, vendors types.VendorSeverity) *vulndb.Detail {
		return &vulndb.Detail{Severity: overall, VendorSeverity: vendors}
	}
	for _, tt := range []struct {
		name, stream, id string
		advisory         vulndb.Advisory
		detail           *vulndb.Detail
		want             match.Severity
		source           string
	}{
		{"the source's own", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near},
			record("LOW", types.VendorSeverity{"debian": 2, "nvd": 4}), match.Medium, "debian"},
		{"NVD", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near},
			record("LOW", types.VendorSeverity{"redhat": 2, "nvd": 4}), match.Critical, "nvd"},
		{"GitHub before NVD for its ids", "npm", "GHSA-1", vulndb.Advisory{VulnerableVersions: []string{""}, DataSource: &types.DataSource{ID: "x"}},
			record("LOW", types.VendorSeverity{"ghsa": 3, "nvd": 4}), match.High, "ghsa"},
		{"not GitHub for other ids", "npm", "CVE-1", vulndb.Advisory{VulnerableVersions: []string{""}, DataSource: &types.DataSource{ID: "x"}},
			record("LOW", types.VendorSeverity{"ghsa": 3}), match.Low, ""},
		{"the record's overall", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near},
			record("HIGH", types.VendorSeverity{"redhat": 2}), match.High, ""},
		{"NVD does not know", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near},
			record("HIGH", types.VendorSeverity{"nvd": 0}), match.High, ""},
		{"nothing known", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near}, nil, match.Unknown, ""},
		{"Debian rates the package", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near, Severity: 1},
			record("HIGH", types.VendorSeverity{"debian": 4, "nvd": 4}), match.Low, "debian"},
		{"Debian rates what has no record", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near, Severity: 1}, nil, match.Low, "debian"},
		{"Ubuntu does not rate the package", "ubuntu 18.04", "CVE-1", vulndb.Advisory{DataSource: &types.DataSource{ID: "ubuntu"}, Severity: 1},
			record("HIGH", types.VendorSeverity{"ubuntu": 2}), match.Medium, "ubuntu"},
		{"the base of a rebuilt distribution", "debian 12", "CVE-1", vulndb.Advisory{DataSource: &types.DataSource{ID: "rebuilt", BaseID: "debian"}},
			record("LOW", types.VendorSeverity{"debian": 3}), match.High, "debian"},
		{"a severity out of range", "debian 12", "CVE-1", vulndb.Advisory{DataSource: near},
			record("LOW", types.VendorSeverity{"debian": 77}), match.Unknown, "debian"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := &fakeDB{details: map[string]vulndb.Detail{}}
			if tt.detail != nil {
				db.details[tt.id] = *tt.detail
			}
			tt.advisory.VulnerabilityID = tt.id
			bucket := tt.stream
			if bucket == "npm" {
				bucket = "npm::x"
			}
			db.add(bucket, "p", tt.advisory)
			got, err := match.New(db).Findings(match.Key{Stream: tt.stream, Name: "p", Version: "1.0.0"})
			if err != nil || len(got) != 1 {
				t.Fatalf("got %v, %v", got, err)
			}
			if got[0].Severity != tt.want || got[0].SeveritySource != tt.source {
				t.Errorf("%v by %q, want %v by %q", got[0].Severity, got[0].SeveritySource, tt.want, tt.source)
			}
		})
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	published := time.Date(2022, 8, 5, 0, 0, 0, 0, time.UTC)
	db := &fakeDB{details: map[string]vulndb.Detail{"CVE-1": {
		Title: "title", PublishedDate: &published, References: []string{"https://example.org/1"},
		CVSS: types.VendorCVSS{"redhat": {V3Score: 5, V3Vector: "r"}, "nvd": {V2Score: 4, V2Vector: "v2", V3Score: 9.8, V3Vector: "v3"}},
	}}}
	db.add("debian 12", "p", vulndb.Advisory{VulnerabilityID: "CVE-1", DataSource: &types.DataSource{ID: "debian"}})
	db.add("debian 12", "p", vulndb.Advisory{VulnerabilityID: "TEMP-2", Status: types.StatusWillNotFix})
	got, err := match.New(db).Findings(match.Key{Stream: "debian 12", Name: "p", Version: "1.0"})
	if err != nil {
		t.Fatal(err)
	}
	want := []match.Vulnerability{
		{ID: "CVE-1", Status: "affected", Source: "debian", Origin: &types.DataSource{ID: "debian"}, Summary: &match.Summary{
			Title: "title", Score: 9.8, Vector: "v3", Published: &published, URL: "https://nvd.nist.gov/vuln/detail/CVE-1",
		}},
		{ID: "TEMP-2", Status: "will_not_fix", Summary: &match.Summary{URL: "https://security-tracker.debian.org/tracker/TEMP-2"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	p := inventory.Package{Name: "libssl3", Version: "3.0.7-r0", SourceName: "openssl", SourceVersion: "3.0.7", Arch: "x86_64"}
	for _, tt := range []struct {
		name      string
		p         inventory.Package
		ecosystem inventory.Ecosystem
		os        inventory.OS
		want      match.Key
		ok        bool
	}{
		{"alpine by its repositories", p, inventory.Apk, inventory.OS{Family: "alpine", Version: "3.16.9", Repository: "3.17"},
			match.Key{Stream: "alpine 3.17", Name: "openssl", Version: "3.0.7"}, true},
		{"alpine by its release", p, inventory.Apk, inventory.OS{Family: "alpine", Version: "3.16.9"},
			match.Key{Stream: "alpine 3.16", Name: "openssl", Version: "3.0.7"}, true},
		{"alpine edge", p, inventory.Apk, inventory.OS{Family: "alpine", Version: "3.16.9", Repository: "edge"},
			match.Key{Stream: "alpine edge", Name: "openssl", Version: "3.0.7"}, true},
		{"debian", p, inventory.Dpkg, inventory.OS{Family: "debian", Version: "12.5"},
			match.Key{Stream: "debian 12", Name: "openssl", Version: "3.0.7"}, true},
		{"ubuntu", p, inventory.Dpkg, inventory.OS{Family: "ubuntu", Version: "18.04"},
			match.Key{Stream: "ubuntu 18.04", Name: "openssl", Version: "3.0.7"}, true},
		{"ubuntu with extended maintenance", p, inventory.Dpkg, inventory.OS{Family: "ubuntu", Version: "18.04", Extended: true},
			match.Key{Stream: "ubuntu 18.04-ESM", Name: "openssl", Version: "3.0.7"}, true},
		{"ubuntu that needs no extension yet", p, inventory.Dpkg, inventory.OS{Family: "ubuntu", Version: "24.04", Extended: true},
			match.Key{Stream: "ubuntu 24.04", Name: "openssl", Version: "3.0.7"}, true},
		{"npm whatever the system", inventory.Package{Name: "JSONStream", Version: "1.3.5"}, inventory.NPM, inventory.OS{},
			match.Key{Stream: "npm", Name: "jsonstream", Version: "1.3.5"}, true},
		{"unknown distribution", p, inventory.Dpkg, inventory.OS{Family: "kali", Version: "1"}, match.Key{}, false},
		{"no distribution", p, inventory.Apk, inventory.OS{}, match.Key{}, false},
		{"apk on debian", p, inventory.Apk, inventory.OS{Family: "debian", Version: "12"}, match.Key{}, false},
		{"third party", inventory.Package{Name: "docker-ce", Version: "1", ThirdParty: true}, inventory.Dpkg,
			inventory.OS{Family: "debian", Version: "12"}, match.Key{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := match.KeyOf(tt.p, tt.ecosystem, tt.os)
			if ok != tt.ok || got != tt.want {
				t.Errorf("got %+v %v, want %+v %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestKeyAsText(t *testing.T) {
	t.Parallel()
	for _, k := range []match.Key{
		{Stream: "debian 12", Name: "openssl", Version: "1:3.0.7-1+b1"},
		{Stream: "npm", Name: "@babel/core", Version: "7.0.0", Arch: "x86_64"},
		{Stream: "npm", Name: "a|b c%7C", Version: "1 2|3"},
	} {
		text := k.String()
		back, err := match.ParseKey(text)
		if err != nil || back != k || strings.ContainsAny(text, " \n\x00") {
			t.Errorf("%+v as %q comes back as %+v, %v", k, text, back, err)
		}
	}
	if got := (match.Key{Stream: "debian 12", Name: "a", Version: "1:2"}).String(); got != "debian+12|a|1%3A2" {
		t.Errorf("the text of a key must never change, it is %q", got)
	}
	for _, bad := range []string{"", "a|b", "a|b|%zz", "a|b|c|d|e"} {
		if _, err := match.ParseKey(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestSeverityText(t *testing.T) {
	t.Parallel()
	for _, s := range match.Severities() {
		text, err := s.MarshalText()
		var back match.Severity
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%v is %s and comes back as %v", s, text, back)
		}
	}
	var s match.Severity
	if err := s.UnmarshalText([]byte("terrible")); err == nil {
		t.Error("an unknown severity is accepted")
	}
	if got, err := match.ParseSeverity("high"); err != nil || got != match.High {
		t.Errorf("lower case: %v, %v", got, err)
	}
}
