package grype

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const (
	imageID = "sha256:58134923d079fb5d49843ff642dff2fcf8d6e55217aa97c6a4e54528784a13ed"
	diffID  = "sha256:018b22370e2f6bdc8df8aebf4572e55c37799b8dc229426a260fd90ae73415db"
	digest  = "sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"
	madeUp  = "sha256:aa22ef37f71d4997699215f1a49a71b9119537e2590fddd28bb7da83b8ae8bbd"
)

// sample is a document as Grype writes it, in its order.
const sample = `{
 "matches": [
  {
   "vulnerability": {
    "id": "CVE-2022-37434", "dataSource": "https://security.alpinelinux.org/vuln/CVE-2022-37434", "namespace": "alpine:distro:alpine:3.12",
    "severity": "Critical", "urls": [], "cvss": [],
    "fix": {"versions": ["1.2.12-r2"], "state": "fixed"}, "advisories": []
   },
   "relatedVulnerabilities": [{
    "id": "CVE-2022-37434", "dataSource": "https://nvd.nist.gov/vuln/detail/CVE-2022-37434", "namespace": "nvd:cpe", "severity": "Critical",
    "description": "heap overflow", "cvss": [
     {"source": "nvd@nist.gov", "type": "Primary", "version": "2.0", "vector": "AV:N", "metrics": {"baseScore": 7.5}, "vendorMetadata": {}},
     {"source": "nvd@nist.gov", "type": "Primary", "version": "3.1", "vector": "CVSS:3.1/AV:N", "metrics": {"baseScore": 9.8, "impactScore": 5.9}}]
   }],
   "matchDetails": [{"type": "exact-direct-match", "matcher": "apk-matcher", "searchedBy": {"distro": {"type": "alpine"}}}],
   "artifact": {
    "id": "b3f0", "name": "zlib", "version": "1.2.12-r0", "type": "apk", "language": "", "licenses": ["Zlib"], "cpes": [],
    "locations": [{"path": "/lib/apk/db/installed", "layerID": "` + diffID + `"}],
    "purl": "pkg:apk/alpine/zlib@1.2.12-r0?arch=x86_64", "upstreams": [], "metadata": {"files": [{"path": "/lib/libz.so.1"}]}
   }
  },
  {
   "vulnerability": {
    "id": "GHSA-jf85-cpcp-j695", "dataSource": "https://github.com/advisories/GHSA-jf85-cpcp-j695", "severity": "Negligible",
    "description": "prototype pollution", "cvss": [], "fix": {"versions": [], "state": "wont-fix"}
   },
   "relatedVulnerabilities": [{"id": "CVE-2019-10744", "cvss": []}],
   "artifact": {"name": "lodash", "version": "4.17.4", "type": "npm", "locations": [{"path": "/srv/package.json", "layerID": "none"}], "purl": "pkg:npm/lodash@4.17.4"}
  }
 ],
 "ignoredMatches": [{"vulnerability": {"id": "CVE-1999-0001"}, "artifact": {"name": "x"}, "appliedIgnoreRules": []}],
 "source": {
  "type": "image",
  "target": {
   "userInput": "registry:registry.example:5000/shop/web:1.4.2", "imageID": "` + imageID + `", "manifestDigest": "` + madeUp + `",
   "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "tags": [], "imageSize": 5000,
   "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": "` + diffID + `", "size": 5000}],
   "manifest": "e30=", "config": "e30=", "repoDigests": ["registry.example:5000/shop/web@` + digest + `"],
   "architecture": "amd64", "os": "linux", "labels": {"a": "b"}
  }
 },
 "distro": {"name": "alpine", "version": "3.12.12", "idLike": []},
 "descriptor": {
  "name": "grype", "version": "0.87.0",
  "configuration": {"output": ["json"], "deeply": {"nested": [1, 2]}},
  "db": {"built": "2026-10-31T01:31:43Z", "schemaVersion": 5},
  "timestamp": "2026-11-01T10:00:00.5Z"
 }
}`

func parse(r io.Reader) (sdk.Document, error) {
	var c sdk.Collector
	err := Ingester{}.Parse(context.Background(), r, &c)
	return c.Document, err
}

func TestReport(t *testing.T) {
	t.Parallel()
	want := sdk.Document{
		Subject: sdk.Subject{
			Registry: "registry.example:5000", Repository: "shop/web", Tag: "1.4.2", Digest: digest,
			Platform: "linux/amd64", ImageID: imageID, DiffIDs: []string{diffID}, OSFamily: "alpine", OSVersion: "3.12.12",
			Tool: "grype", ToolVersion: "0.87.0", Created: time.Date(2026, 11, 1, 10, 0, 0, 5e8, time.UTC),
		},
		Findings: []sdk.Finding{
			{
				ID: "CVE-2022-37434", Ecosystem: "apk", Package: "zlib", InstalledVersion: "1.2.12-r0", FixedVersion: "1.2.12-r2",
				Severity: sdk.SeverityCritical, Status: "fixed", Score: 9.8, Vector: "CVSS:3.1/AV:N", Description: "heap overflow",
				URL: "https://security.alpinelinux.org/vuln/CVE-2022-37434", Path: "/lib/apk/db/installed",
				PURL: "pkg:apk/alpine/zlib@1.2.12-r0?arch=x86_64", Layer: diffID,
			},
			{
				ID: "CVE-2019-10744", Ecosystem: "npm", Package: "lodash", InstalledVersion: "4.17.4", Severity: sdk.SeverityLow,
				Status: "will_not_fix", Description: "prototype pollution", URL: "https://github.com/advisories/GHSA-jf85-cpcp-j695",
				Path: "/srv/package.json", PURL: "pkg:npm/lodash@4.17.4",
			},
		},
	}
	var small bytes.Buffer
	if err := json.Compact(&small, []byte(sample)); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(sample), "byte by byte": iotest.OneByteReader(strings.NewReader(sample)), "compact": &small,
	} {
		got, err := parse(r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conn, err := sdktest.Connect(Plugin("test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if r := sdktest.Check(t.Context(), conn, sdktest.Options{Document: []byte(sample)}); !r.OK() {
		t.Error(r)
	}
}

func TestRecognize(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]string{
		sample:       Format,
		sample[:100]: Format,
		`{"matches":[],"source":{},"distro":{},"descriptor":{"name":"grype","version":"1"}}`: Format,
		`{"matches":[],"descriptor":{"name":"other"}}`:                                       "",
		`{"matches":[{"text":"x"}]}`:                                                         "",
		`{"descriptor":{"name":"grype"}}`:                                                    "",
		`[{"matches":[{"vulnerability":{}}]}]`:                                               "",
	} {
		if got, err := (Ingester{}).Recognize(t.Context(), []byte(head)); got != want || err != nil {
			t.Errorf("%.60q is recognized as %q, error %v", head, got, err)
		}
	}
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		doc  string
		want error
		text string
	}{
		"empty":          {"", sdk.ErrInvalid, "empty"},
		"cut off":        {sample[:len(sample)-10], sdk.ErrInvalid, "in the middle"},
		"another tool's": {strings.Replace(sample, `"name": "grype"`, `"name": "syft"`, 1), sdk.ErrInvalid, "grype -o json"},
		"no matches":     {strings.Replace(sample, `"matches"`, `"Matches"`, 1), sdk.ErrInvalid, "no matches"},
		"a directory":    {strings.Replace(sample, `"type": "image"`, `"type": "directory"`, 1), sdk.ErrInvalid, "directory"},
		"bad id":         {strings.Replace(sample, imageID, "sha256:zz", 1), sdk.ErrInvalid, "imageID"},
		"bad time":       {strings.Replace(sample, "2026-11-01T", "yesterday", 1), sdk.ErrInvalid, "timestamp"},
		"escape":         {strings.Replace(sample, `"lodash"`, `"lo\u001bdash"`, 1), sdk.ErrInvalid, "control character"},
		"long":           {strings.Replace(sample, `"lodash"`, `"`+strings.Repeat("x", 2000)+`"`, 1), sdk.ErrLimit, "2000 bytes"},
		"not a list":     {`{"matches":7}`, sdk.ErrInvalid, "matches as an array"},
	}
	for name, tt := range tests {
		_, err := parse(strings.NewReader(tt.doc))
		if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.text) {
			t.Errorf("%s: error %v, want one that is %q and says %q", name, err, tt.want, tt.text)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"docker:alpine:3.9":              "|alpine|3.9|",
		"r.example/a/b@" + digest:        "r.example|a/b||" + digest,
		"docker-archive:image.tar":       "registry.example:5000|shop/web||" + digest,
		"./image.tar":                    "registry.example:5000|shop/web||" + digest,
		"registry.example:5000/shop/web": "registry.example:5000|shop/web||" + digest,
	} {
		got, err := parse(strings.NewReader(strings.Replace(sample, "registry:registry.example:5000/shop/web:1.4.2", input, 1)))
		s := got.Subject
		if is := strings.Join([]string{s.Registry, s.Repository, s.Tag, s.Digest}, "|"); err != nil || !strings.HasPrefix(is, want) {
			t.Errorf("%s is %s, want %s, error %v", input, is, want, err)
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	for want, ids := range map[string][]string{
		"CVE-1-1": {"CVE-1-1", "CVE-2-2"}, "CVE-2-2": {"GHSA-x", "CVE-2-2", "CVE-2-2"}, "GHSA-y": {"GHSA-y", "CVE-3-3", "CVE-4-4"}, "ALAS-1": {"ALAS-1"},
	} {
		var m match
		m.Vulnerability.ID = ids[0]
		for _, id := range ids[1:] {
			m.Related = append(m.Related, vulnerability{ID: id})
		}
		if got := m.id(); got != want {
			t.Errorf("%v is %s, want %s", ids, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"matches":[{"vulnerability":{"id":"x"}}],"descriptor":{"name":"grype"},"source":{"type":"image","target":{}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := (Ingester{}).Recognize(t.Context(), doc); err != nil {
			t.Errorf("Recognize: %v", err)
		}
		got, err := parse(bytes.NewReader(doc))
		if err != nil {
			if !errors.Is(err, sdk.ErrInvalid) && !errors.Is(err, sdk.ErrLimit) {
				t.Errorf("an error without a kind: %v", err)
			}
			return
		}
		for _, found := range got.Findings {
			if found.ID == "" || found.Package == "" {
				t.Errorf("a finding of nothing: %+v", found)
			}
		}
	})
}
