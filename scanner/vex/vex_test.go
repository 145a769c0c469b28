package vex_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/vex"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

const (
	image  = "pkg:oci/web@sha256%3Aaa?arch=amd64&repository_url=registry.example%2Fshop%2Fweb"
	lodash = "pkg:npm/lodash@4.17.11"
	libc   = "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12.5"
)

func subject(id, pkg string) vex.Subject {
	return vex.Subject{
		Kind: vex.Vulnerability, ID: id, Package: pkg, Image: image, Digests: []string{"sha256:aa", "sha256:bb"},
		Path: "srv/web/node_modules/lodash/package.json",
	}
}

func read(t *testing.T, name string) []vex.Statement {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	statements, err := vex.Read(f, name)
	if err != nil {
		t.Fatal(err)
	}
	return statements
}

// TestDocuments asks the same questions of a document of each kind.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"openvex.json", "openvex-0.0.1.json", "csaf.json", "cyclonedx.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := vex.NewSet(read(t, name))
			for id, want := range map[string]struct {
				pkg    string
				status vex.Status
			}{
				"CVE-2026-0001": {lodash, vex.NotAffected},
				"CVE-2026-0002": {lodash, vex.UnderInvestigation},
				"CVE-2026-0003": {libc, vex.Fixed},
				"CVE-2026-0004": {libc, vex.Affected},
				"CVE-2026-0005": {lodash, ""}, // about another version
				"CVE-2026-0006": {lodash, ""}, // not named at all
			} {
				mark, _ := set.Judge(subject(id, want.pkg), now())
				if mark.Status != want.status {
					t.Errorf("%s: %q, want %q", id, mark.Status, want.status)
				}
			}
			mark, ok := set.Judge(subject("CVE-2026-0001", lodash), now())
			if !ok || mark.Justification == "" || mark.Statement != "the function is not called" || mark.Source != name {
				t.Errorf("CVE-2026-0001: %+v", mark)
			}
			if _, ok := set.Judge(subject("CVE-2026-0001", libc), now()); ok {
				t.Error("a statement about one package marked another")
			}
			if mark.Status.Settles() != true || vex.Affected.Settles() || vex.UnderInvestigation.Settles() {
				t.Error("which statuses settle a finding")
			}
		})
	}
}

const head = `{"@context":"https://openvex.dev/ns/v0.2.0","timestamp":"2026-01-01T00:00:00Z","statements":[`

func statement(product, extra string) string {
	return `{"vulnerability":{"name":"CVE-2026-0001","aliases":["GHSA-xxxx"]},"products":[` + product + `],"status":"not_affected"` + extra + `}`
}

// TestProducts is about which finding of which image a statement reaches.
func TestProducts(t *testing.T) {
	t.Parallel()
	for product, want := range map[string]bool{
		`{"@id":"pkg:npm/lodash@4.17.11"}`:                                                    true,
		`{"@id":"pkg:npm/lodash"}`:                                                            true,
		`{"@id":"pkg:npm/lodash@4.17.12"}`:                                                    false,
		`{"@id":"our web shop"}`:                                                              false,
		`{"@id":"our web shop","identifiers":{"purl":"pkg:npm/lodash@4.17.11"}}`:              true,
		`{"@id":"our web shop","hashes":{"sha-256":"aa"}}`:                                    true,
		`{"@id":"our web shop","hashes":{"sha-256":"cc"}}`:                                    false,
		`{"@id":"pkg:oci/web@sha256:aa"}`:                                                     true,
		`{"@id":"pkg:oci/web?repository_url=registry.example/shop/web"}`:                      true,
		`{"@id":"pkg:oci/web?repository_url=other.example/shop/web"}`:                         false,
		`{"@id":"pkg:oci/web@sha256:aa","subcomponents":[{"@id":"pkg:npm/lodash"}]}`:          true,
		`{"@id":"pkg:oci/web@sha256:aa","subcomponents":[{"@id":"pkg:npm/express"}]}`:         false,
		`{"@id":"pkg:oci/web@sha256:cc","subcomponents":[{"@id":"pkg:npm/lodash"}]}`:          false,
		`{"@id":"pkg:oci/web@sha256:aa","subcomponents":[{"@id":"something"}]}`:               false,
		`{"@id":"pkg:npm/express@4.18.2","subcomponents":[{"@id":"pkg:npm/lodash@4.17.11"}]}`: false,
		`{"@id":"pkg:oci/none@sha256:cc"},{"@id":"pkg:npm/lodash@4.17.11"}`:                   true,
	} {
		statements, err := vex.Read(strings.NewReader(head+statement(product, "")+"]}"), "x")
		if err != nil {
			t.Fatalf("%s: %v", product, err)
		}
		for _, id := range []string{"CVE-2026-0001", "ghsa-XXXX"} {
			if _, ok := vex.NewSet(statements).Judge(subject(id, lodash), now()); ok != want {
				t.Errorf("%s of %s: %v, want %v", id, product, ok, want)
			}
		}
	}
}

func TestLatestWordCounts(t *testing.T) {
	t.Parallel()
	at := func(date, status string) vex.Statement {
		issued, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		return vex.Statement{
			Kind: vex.Vulnerability, IDs: []string{"CVE-1"}, Products: []vex.Product{{Package: "pkg:npm/lodash"}},
			Issued: issued, Mark: vex.Mark{Status: vex.Status(status)},
		}
	}
	accepted := vex.Statement{Kind: vex.Vulnerability, IDs: []string{"CVE-1"}, Mark: vex.Mark{Status: vex.Accepted}}
	for name, c := range map[string]struct {
		statements []vex.Statement
		want       vex.Status
	}{
		"newer first":        {[]vex.Statement{at("2026-02-01", "affected"), at("2026-01-01", "not_affected")}, vex.Affected},
		"newer last":         {[]vex.Statement{at("2026-01-01", "affected"), at("2026-02-01", "not_affected")}, vex.NotAffected},
		"same time":          {[]vex.Statement{at("2026-01-01", "affected"), at("2026-01-01", "fixed")}, vex.Fixed},
		"the site's own":     {[]vex.Statement{accepted, at("2026-02-01", "affected")}, vex.Accepted},
		"nobody says a word": {nil, ""},
	} {
		mark, _ := vex.NewSet(c.statements).Judge(subject("CVE-1", lodash), now())
		if mark.Status != c.want {
			t.Errorf("%s: %q, want %q", name, mark.Status, c.want)
		}
	}
	var none *vex.Set
	if _, ok := none.Judge(subject("CVE-1", lodash), now()); ok || none.Expired(now()) != nil {
		t.Error("no set says something")
	}
}

func TestIgnoreLines(t *testing.T) {
	t.Parallel()
	const text = `# what we live with
CVE-2026-0001
CVE-2026-0002 exp:2026-11-23   # over since this morning
CVE-2026-0003 exp:2026-11-24   # patched with the next base image

`
	statements, err := vex.ReadIgnore(strings.NewReader(text), ".trivyignore")
	if err != nil {
		t.Fatal(err)
	}
	set := vex.NewSet(statements)
	for id, want := range map[string]bool{"CVE-2026-0001": true, "CVE-2026-0002": false, "CVE-2026-0003": true, "CVE-2026-0004": false} {
		if _, ok := set.Judge(subject(id, lodash), now()); ok != want {
			t.Errorf("%s: %v, want %v", id, ok, want)
		}
	}
	mark, _ := set.Judge(subject("CVE-2026-0003", lodash), now())
	until := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	want := vex.Mark{Status: vex.Accepted, Statement: "patched with the next base image", Source: ".trivyignore", Until: &until}
	if diff := cmp.Diff(want, mark); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if expired := set.Expired(now()); len(expired) == 0 || expired[0].IDs[0] != "CVE-2026-0002" {
		t.Errorf("expired: %v", expired)
	}
}

func TestIgnoreYAML(t *testing.T) {
	t.Parallel()
	const text = `vulnerabilities:
  - id: CVE-2026-0001
    paths: ["srv/**/package.json"]
    statement: not reachable
  - id: CVE-2026-0002
    purls: ["pkg:npm/lodash"]
    expired_at: 2026-11-24
  - id: CVE-2026-0003
    purls: ["pkg:npm/express"]
  - id: CVE-2026-0004
    paths: ["srv/*/package.json"]
secrets:
  - id: aws-access-key-id
    paths: ["usr/share/doc/**"]
misconfigurations:
  - id: I.4.1
`
	statements, err := vex.ReadIgnore(strings.NewReader(text), "ignore.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := vex.NewSet(statements)
	for id, want := range map[string]bool{"CVE-2026-0001": true, "CVE-2026-0002": true, "CVE-2026-0003": false, "CVE-2026-0004": false, "I.4.1": false} {
		if _, ok := set.Judge(subject(id, lodash), now()); ok != want {
			t.Errorf("%s: %v, want %v", id, ok, want)
		}
	}
	for _, s := range []vex.Subject{
		{Kind: vex.Secret, ID: "aws-access-key-id", Path: "usr/share/doc/aws/README"}, {Kind: vex.Check, ID: "I.4.1"},
	} {
		if _, ok := set.Judge(s, now()); !ok {
			t.Errorf("%v is not accepted", s)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		``:                        vex.ErrFormat,
		`[]`:                      vex.ErrFormat,
		`{"spdxVersion":"2.3"}`:   vex.ErrFormat,
		head + `{"status":"x"}]}`: vex.ErrMalformed,
		`{"@context":"https://openvex.dev/ns/v0.2.0","statements":{}}`:        vex.ErrMalformed,
		`{"document":{"csaf_version":"2.0"},"vulnerabilities":[1]}`:           vex.ErrMalformed,
		`{"bomFormat":"CycloneDX","specVersion":"1.6","vulnerabilities":[1]}`: vex.ErrMalformed,
		`{"document":{"csaf_version":"2.0"},"product_tree":{"branches":` +
			strings.Repeat(`[{"branches":`, 100) + `[]` + strings.Repeat(`}]`, 100) + `}}`: vex.ErrMalformed,
	} {
		if _, err := vex.Read(strings.NewReader(text), "x"); !errors.Is(err, want) {
			t.Errorf("%.60s: %v, want %v", text, err, want)
		}
	}
	for text, want := range map[string]error{
		"CVE-1 until:tomorrow":                           vex.ErrMalformed,
		"CVE-1 exp:tomorrow":                             vex.ErrMalformed,
		"vulnerabilities:\n- id: CVE-1\n  path: [x]":     vex.ErrMalformed,
		"vulnerabilities:\n- paths: [x]":                 vex.ErrMalformed,
		"vulnerabilities:\n- {id: x, purls: [lodash]}":   vex.ErrMalformed,
		"vulnerabilities:\n- {id: x, expired_at: never}": vex.ErrMalformed,
		strings.Repeat("# nothing\n", 500_000):           limit.ErrExceeded,
	} {
		if _, err := vex.ReadIgnore(strings.NewReader(text), "x"); !errors.Is(err, want) {
			t.Errorf("%.60s: %v, want %v", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"openvex.json", "openvex-0.0.1.json", "csaf.json", "cyclonedx.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := vex.Read(strings.NewReader(text), "x")
		if err != nil {
			return
		}
		for _, s := range statements {
			if len(s.IDs) == 0 || len(s.Products) == 0 {
				t.Errorf("a statement about everything: %+v", s)
			}
		}
		vex.NewSet(statements).Judge(subject("CVE-2026-0001", lodash), now())
	})
}

func FuzzReadIgnore(f *testing.F) {
	f.Add("CVE-2026-0002 exp:2026-11-23 # why\n", "a/b")
	f.Add("vulnerabilities:\n- id: CVE-2026-0001\n  paths: ['a/**/?*']\n", "a/b/c")
	f.Fuzz(func(t *testing.T, text, path string) {
		statements, err := vex.ReadIgnore(strings.NewReader(text), "x")
		if err != nil {
			return
		}
		s := subject("CVE-2026-0001", lodash)
		s.Path = path
		vex.NewSet(statements).Judge(s, now())
	})
}
