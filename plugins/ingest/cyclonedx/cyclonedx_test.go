package cyclonedx

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
)

type (
	object = map[string]any
	array  = []any
)

func properties(pairs ...string) array {
	var all array
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, object{"name": pairs[i], "value": pairs[i+1]})
	}
	return all
}

// bill is a small document as Trivy writes it.
func bill() object {
	return object{
		"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
		"serialNumber": "urn:uuid:7a0d6d0a-4a44-4a46-b7b5-7d3b8a1a0d11", "version": 1,
		"metadata": object{
			"timestamp": "2026-11-01T10:00:00+00:00",
			"tools":     object{"components": array{object{"type": "application", "manufacturer": object{"name": "Aqua"}, "group": "aquasecurity", "name": "trivy", "version": "0.74.0"}}},
			"component": object{
				"bom-ref": "root", "type": "container", "name": "registry.example:5000/shop/web:1.4.2",
				"purl": "pkg:oci/web@" + digest + "?arch=arm64&repository_url=registry.example:5000%2Fshop%2Fweb",
				"properties": properties("aquasecurity:trivy:DiffID", diffID, "aquasecurity:trivy:ImageID", imageID,
					"aquasecurity:trivy:RepoDigest", "registry.example:5000/shop/web@"+digest, "aquasecurity:trivy:RepoTag", "registry.example:5000/shop/web:1.4.2"),
			},
		},
		"components": array{
			object{"bom-ref": "os", "type": "operating-system", "name": "alpine", "version": "3.12.12"},
			object{"bom-ref": "lock", "type": "application", "name": "srv/web/yarn.lock"},
			object{
				"bom-ref": "pkg:apk/alpine/zlib@1.2.12-r0?arch=x86_64", "type": "library", "name": "zlib", "version": "1.2.12-r0",
				"purl": "pkg:apk/alpine/zlib@1.2.12-r0?arch=x86_64&distro=3.12.12", "licenses": array{object{"license": object{"name": "Zlib"}}},
				"properties": properties("aquasecurity:trivy:LayerDiffID", diffID, "aquasecurity:trivy:PkgType", "alpine",
					"aquasecurity:trivy:SrcName", "zlib", "aquasecurity:trivy:SrcVersion", "1.2.12", "aquasecurity:trivy:SrcRelease", "r0", "aquasecurity:trivy:SrcEpoch", "1"),
			},
			object{
				"bom-ref": "core", "type": "library", "group": "@angular", "name": "core", "version": "12.3.1", "purl": "pkg:npm/%40angular/core@12.3.1",
				"components": array{object{"type": "library", "name": "inner", "version": "1", "licenses": array{object{"expression": "MIT OR Apache-2.0"}}}},
			},
		},
		"dependencies": array{object{"ref": "root", "dependsOn": array{"os"}}},
		"vulnerabilities": array{
			object{
				"id": "CVE-2022-37434", "source": object{"name": "alpine", "url": "https://secdb.alpinelinux.org/"},
				"ratings": array{
					object{"source": object{"name": "nvd"}, "score": 7.5, "severity": "high", "method": "CVSSv2", "vector": "AV:N"},
					object{"source": object{"name": "nvd"}, "score": 9.8, "severity": "critical", "method": "CVSSv31", "vector": "CVSS:3.1/AV:N"},
				},
				"description": "heap overflow", "recommendation": "Upgrade other to version 1; Upgrade zlib to version 1.2.12-r2",
				"published": "2022-08-05T07:15:00+00:00", "updated": "2023-07-19T00:56:00+00:00",
				"affects": array{object{"ref": "pkg:apk/alpine/zlib@1.2.12-r0?arch=x86_64", "versions": array{object{"version": "1.2.12-r0", "status": "affected"}}}},
			},
			object{"id": "CVE-2020-1", "affects": array{object{"ref": "core"}}, "analysis": object{"state": "not_affected", "justification": "code_not_reachable"}},
		},
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v) // in the order of names: components before vulnerabilities
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(r io.Reader) (sdk.Document, error) {
	var c sdk.Collector
	err := Ingester{}.Parse(context.Background(), r, &c)
	return c.Document, err
}

func TestBill(t *testing.T) {
	t.Parallel()
	want := sdk.Document{
		Subject: sdk.Subject{
			Registry: "registry.example:5000", Repository: "shop/web", Tag: "1.4.2", Digest: digest, ImageID: imageID, DiffIDs: []string{diffID},
			OSFamily: "alpine", OSVersion: "3.12.12", Tool: "trivy", ToolVersion: "0.74.0",
			Created: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC), ListsPackages: true,
		},
		Packages: []sdk.Package{
			{
				Ecosystem: "alpine", Name: "zlib", Version: "1.2.12-r0", Arch: "x86_64", SourceName: "zlib", SourceVersion: "1:1.2.12-r0",
				PURL: "pkg:apk/alpine/zlib@1.2.12-r0?arch=x86_64&distro=3.12.12", Layer: diffID, Licenses: []string{"Zlib"},
			},
			{Ecosystem: "npm", Name: "@angular/core", Version: "12.3.1", PURL: "pkg:npm/%40angular/core@12.3.1"},
			{Name: "inner", Version: "1", Licenses: []string{"MIT OR Apache-2.0"}},
		},
		Findings: []sdk.Finding{{
			ID: "CVE-2022-37434", Ecosystem: "alpine", Package: "zlib", InstalledVersion: "1.2.12-r0", FixedVersion: "1.2.12-r2",
			Severity: sdk.SeverityCritical, Score: 9.8, Vector: "CVSS:3.1/AV:N", Description: "heap overflow", URL: "https://secdb.alpinelinux.org/",
			PURL: "pkg:apk/alpine/zlib@1.2.12-r0?arch=x86_64&distro=3.12.12", Layer: diffID,
			Published: time.Date(2022, 8, 5, 7, 15, 0, 0, time.UTC), Modified: time.Date(2023, 7, 19, 0, 56, 0, 0, time.UTC),
		}},
		Warnings: []string{"CVE-2020-1 is said to be not_affected, and left out"},
	}
	whole := encode(t, bill())
	doc := bill()
	vulnerabilities := encode(t, doc["vulnerabilities"])
	delete(doc, "vulnerabilities")
	first := `{"vulnerabilities":` + string(vulnerabilities) + "," + string(encode(t, doc))[1:]
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(whole), "byte by byte": iotest.OneByteReader(bytes.NewReader(whole)), "vulnerabilities first": strings.NewReader(first),
	} {
		got, err := parse(r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestTools: who wrote a document, in the words of old and new versions.
func TestTools(t *testing.T) {
	t.Parallel()
	for name, tools := range map[string]any{
		"syft 1.2":   array{object{"vendor": "anchore", "name": "Syft", "version": "1.2"}},
		"cdxgen 11":  object{"components": array{object{"type": "application", "name": "cdxgen", "version": "11"}}, "services": array{}},
		"other 7":    array{object{"name": "other", "version": "7"}, object{"name": "second", "version": "1"}},
		"cyclonedx ": array{},
	} {
		doc := bill()
		doc["metadata"].(object)["tools"] = tools
		got, err := parse(bytes.NewReader(encode(t, doc)))
		if is := got.Subject.Tool + " " + got.Subject.ToolVersion; is != name || err != nil {
			t.Errorf("the tool is %q, want %q, error %v", is, name, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		component object
		want      string // registry|repository|tag|digest
		warnings  int
	}{
		"syft":             {object{"type": "container", "name": "alpine:3.9", "version": digest}, "|alpine|3.9|" + digest, 0},
		"syft, by digest":  {object{"type": "container", "name": "alpine@" + digest, "version": digest}, "|alpine||" + digest, 0},
		"package URL only": {object{"type": "container", "name": "./image.tar", "purl": "pkg:oci/web@" + digest + "?repository_url=r.example/web"}, "r.example|web||" + digest, 0},
		"a docker purl":    {object{"type": "container", "name": "x y", "purl": "pkg:docker/shop/web@1.0"}, "|||", 0},
		"nothing":          {nil, "|||", 0},
		"about an app":     {object{"type": "application", "name": "shop", "version": "1"}, "|||", 1},
		"two digests":      {object{"type": "container", "name": "a/b:1", "properties": properties("aquasecurity:trivy:RepoDigest", "x/a@"+digest, "aquasecurity:trivy:RepoDigest", "y/a@"+diffID)}, "|a/b|1|", 1},
	}
	for name, tt := range tests {
		doc := object{"bomFormat": "CycloneDX", "specVersion": "1.4", "components": array{}, "metadata": object{"component": tt.component}}
		got, err := parse(bytes.NewReader(encode(t, doc)))
		s := got.Subject
		if is := strings.Join([]string{s.Registry, s.Repository, s.Tag, s.Digest}, "|"); is != tt.want || err != nil || len(got.Warnings) != tt.warnings {
			t.Errorf("%s: %s, want %s, warnings %q, error %v", name, is, tt.want, got.Warnings, err)
		}
	}
}

// TestAffects: how vulnerabilities name what they affect.
func TestAffects(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ref  string
		want string // package and version, or the warning
	}{
		"by reference":     {"core", "@angular/core 12.3.1 fixed in 12.3.2"},
		"from outside":     {"urn:cdx:7a0d6d0a/1#core", "@angular/core 12.3.1 fixed in 12.3.2"},
		"by package URL":   {"pkg:deb/debian/zlib1g@1.2", "zlib1g 1.2 fixed in 12.3.2"},
		"by nothing known": {"elsewhere", `CVE-1 affects "elsewhere", which the document does not list`},
	}
	for name, tt := range tests {
		doc := bill()
		doc["vulnerabilities"] = array{object{"id": "CVE-1", "affects": array{object{"ref": tt.ref, "versions": array{object{"version": "12.3.2", "status": "unaffected"}}}}}}
		got, err := parse(bytes.NewReader(encode(t, doc)))
		is := strings.Join(got.Warnings, "")
		for _, f := range got.Findings {
			is += f.Package + " " + f.InstalledVersion + " fixed in " + f.FixedVersion
		}
		if is != tt.want || err != nil {
			t.Errorf("%s: %s, want %s, error %v", name, is, tt.want, err)
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
	if r := sdktest.Check(t.Context(), conn, sdktest.Options{Document: encode(t, bill())}); !r.OK() {
		t.Error(r)
	}
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	with := func(key string, v any) string {
		doc := bill()
		doc[key] = v
		return string(encode(t, doc))
	}
	nested := object{"type": "library", "name": "x", "version": "1"}
	for range maxNesting + 1 {
		nested = object{"type": "library", "name": "x", "version": "1", "components": array{nested}}
	}
	tests := map[string]struct {
		doc  string
		want error
		text string
	}{
		"another format": {with("bomFormat", "SPDX"), sdk.ErrInvalid, "SPDX"},
		"no format":      {`{}`, sdk.ErrInvalid, "bomFormat"},
		"of the future":  {with("specVersion", "2.0"), sdk.ErrInvalid, "2.0"},
		"nested":         {with("components", array{nested}), sdk.ErrLimit, "nested deeper"},
		"deep":           {`{"bomFormat":"CycloneDX","x":` + strings.Repeat("[", 100_000), sdk.ErrInvalid, "depth"},
		"control":        {with("components", array{object{"type": "library", "name": "a\x1b[31m", "version": "1"}}), sdk.ErrInvalid, "control character"},
		"long":           {with("components", array{object{"type": "library", "name": strings.Repeat("x", 2000), "version": "1"}}), sdk.ErrLimit, "2000 bytes"},
		"wrong type":     {with("components", object{}), sdk.ErrInvalid, "components as an array"},
		"tools":          {with("metadata", object{"tools": 7}), sdk.ErrInvalid, "at byte"},
		"time":           {with("metadata", object{"timestamp": "yesterday"}), sdk.ErrInvalid, "timestamp"},
	}
	for name, tt := range tests {
		_, err := parse(strings.NewReader(tt.doc))
		if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.text) {
			t.Errorf("%s: error %v, want one that is %q and says %q", name, err, tt.want, tt.text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, bill()))
	f.Add([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.4","vulnerabilities":[{"id":"x","affects":[{"ref":"pkg:a/b@1"}]}],"components":[]}`))
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
		for _, p := range got.Packages {
			if p.Name == "" {
				t.Error("a package without a name")
			}
		}
		for _, found := range got.Findings {
			if found.ID == "" || found.Package == "" {
				t.Errorf("a finding of nothing: %+v", found)
			}
		}
	})
}
