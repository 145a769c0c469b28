package match_test

import (
	"testing"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vulndb"
)

func TestLanguages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		ecosystem inventory.Ecosystem
		pkg       string
		version   string
		bucket    string
		key       string
		advisory  vulndb.Advisory
		want      bool
	}{
		{"julia below", inventory.Julia, "HTTP", "1.9.1", "julia::x", "HTTP", vulndb.Advisory{VulnerableVersions: []string{"<1.10"}}, true},
		{"julia knows upper case", inventory.Julia, "HTTP", "1.9.1", "julia::x", "http", vulndb.Advisory{VulnerableVersions: []string{"<1.10"}}, false},
		{"nuget does not", inventory.NuGet, "Newtonsoft.Json", "12.0.1", "nuget::x", "newtonsoft.json", vulndb.Advisory{PatchedVersions: []string{"13.0.1"}}, true},
		{"swift by address", inventory.Swift, "https://github.com/x/Y.git", "1.0.0", "swift::x", "github.com/x/Y", vulndb.Advisory{VulnerableVersions: []string{"<1.1"}}, true},
		{"cocoapods knows upper case", inventory.CocoaPods, "widget", "1.0.0", "cocoapods::x", "Widget", vulndb.Advisory{VulnerableVersions: []string{"<1.1"}}, false},
		{"cocoapods has ranges of gems", inventory.CocoaPods, "Widget", "1.2.9", "cocoapods::x", "Widget", vulndb.Advisory{PatchedVersions: []string{"~> 1.3"}}, true},
		{"hex", inventory.Erlang, "Plug", "1.0.0", "erlang::x", "plug", vulndb.Advisory{VulnerableVersions: []string{"<1.0.4"}}, true},
		{"pub", inventory.Pub, "http", "0.13.3", "pub::x", "http", vulndb.Advisory{PatchedVersions: []string{"0.13.3"}}, false},
		{"conan", inventory.Conan, "openssl", "1.1.1k", "conan::x", "openssl", vulndb.Advisory{VulnerableVersions: []string{">=1.1.0 <1.1.1l"}}, true},
		{"bitnami below", inventory.Bitnami, "Redis", "7.2.3", "bitnami::x", "redis", vulndb.Advisory{VulnerableVersions: []string{"<7.2.4"}}, true},
		{"bitnami revisions are equal", inventory.Bitnami, "redis", "7.2.4-1", "bitnami::x", "redis", vulndb.Advisory{VulnerableVersions: []string{"<7.2.4"}}, false},
		{"bitnami revision of a fix", inventory.Bitnami, "redis", "7.2.4-1", "bitnami::x", "redis", vulndb.Advisory{VulnerableVersions: []string{"<=7.2.4"}}, false},
		{"bitnami nonsense", inventory.Bitnami, "redis", "latest", "bitnami::x", "redis", vulndb.Advisory{VulnerableVersions: []string{"<=7.2.4"}}, false},
	} {
		key, ok := match.KeyOf(inventory.Package{Name: c.pkg, Version: c.version}, c.ecosystem, inventory.OS{})
		if !ok {
			t.Errorf("%s: no key", c.name)
			continue
		}
		db := &fakeDB{}
		c.advisory.VulnerabilityID = "CVE-1"
		db.add(c.bucket, c.key, c.advisory)
		if got := len(found(t, match.New(db), key)) == 1; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
