package sarif

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

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const (
	imageID = "sha256:58134923d079fb5d49843ff642dff2fcf8d6e55217aa97c6a4e54528784a13ed"
	digest  = "sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"
)

type (
	object = map[string]any
	array  = []any
)

// trivy is a run as Trivy writes it: the package is in the message.
func trivy() object {
	return object{
		"tool": object{"driver": object{
			"fullName": "Trivy Vulnerability Scanner", "informationUri": "https://github.com/aquasecurity/trivy", "name": "Trivy", "version": "0.74.0",
			"rules": array{object{
				"id": "CVE-2022-37434", "name": "OsPackageVulnerability", "shortDescription": object{"text": "zlib: heap overflow"},
				"fullDescription": object{"text": "zlib through 1.2.12 has a heap overflow"}, "defaultConfiguration": object{"level": "error"},
				"helpUri":    "https://avd.aquasec.com/nvd/cve-2022-37434",
				"help":       object{"text": "Vulnerability CVE-2022-37434\nSeverity: CRITICAL\nPackage: zlib\nFixed Version: 1.2.12-r2\nLink: [CVE-2022-37434](https://avd.aquasec.com)", "markdown": "**x**"},
				"properties": object{"precision": "very-high", "security-severity": "9.8", "tags": array{"vulnerability", "security", "CRITICAL"}},
			}, object{"id": "AVD-DS-0002", "shortDescription": object{"text": "root user"}}},
		}},
		"results": array{
			object{
				"ruleId": "CVE-2022-37434", "ruleIndex": 0, "level": "error",
				"message":   object{"text": "Package: zlib\nInstalled Version: 1.2.12-r0\nVulnerability CVE-2022-37434\nSeverity: CRITICAL\nFixed Version: 1.2.12-r2\nLink: [CVE-2022-37434](https://avd.aquasec.com)"},
				"locations": array{object{"physicalLocation": object{"artifactLocation": object{"uri": "shop/web", "uriBaseId": "ROOTPATH"}, "region": object{"startLine": 1}}, "message": object{"text": "shop/web: zlib@1.2.12-r0"}}},
			},
			object{"ruleId": "AVD-DS-0002", "ruleIndex": 1, "level": "error", "message": object{"text": "Artifact: Dockerfile\nType: dockerfile\nSeverity: HIGH"}},
			object{"ruleId": "CVE-2020-1", "message": object{"text": "Package: x"}, "suppressions": array{object{"kind": "external"}}},
			object{"ruleId": "CVE-2020-2", "kind": "pass", "message": object{"text": "Package: x"}},
		},
		"columnKind": "utf16CodeUnits", "originalUriBaseIds": object{"ROOTPATH": object{"uri": "file:///"}},
		"properties": object{"imageID": imageID, "imageName": "registry.example:5000/shop/web:1.4.2", "repoDigests": array{"registry.example:5000/shop/web@" + digest}, "repoTags": array{}},
	}
}

func log(runs ...any) object {
	return object{"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "runs": runs}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v) // in the order of names: results before the tool
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

func TestTrivy(t *testing.T) {
	t.Parallel()
	want := sdk.Document{
		Subject: sdk.Subject{
			Registry: "registry.example:5000", Repository: "shop/web", Tag: "1.4.2", Digest: digest, ImageID: imageID, Tool: "trivy", ToolVersion: "0.74.0",
		},
		Findings: []sdk.Finding{{
			ID: "CVE-2022-37434", Package: "zlib", InstalledVersion: "1.2.12-r0", FixedVersion: "1.2.12-r2", Severity: sdk.SeverityCritical, Score: 9.8,
			Title: "zlib: heap overflow", Description: "zlib through 1.2.12 has a heap overflow", URL: "https://avd.aquasec.com/nvd/cve-2022-37434", Path: "shop/web",
		}},
		Warnings: []string{"CVE-2020-1 is suppressed in the document, and left out", "1 results that name no package are left out"},
	}
	doc := encode(t, log(trivy()))
	run := trivy()
	results := encode(t, run["results"])
	delete(run, "results")
	toolFirst := `{"version":"2.1.0","runs":[` + strings.TrimSuffix(string(encode(t, run)), "}") + `,"results":` + string(results) + `}]}`
	for name, r := range map[string]io.Reader{
		"results first": bytes.NewReader(doc), "byte by byte": iotest.OneByteReader(bytes.NewReader(doc)), "tool first": strings.NewReader(toolFirst),
	} {
		got, err := parse(r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestOthers: where other tools put the package.
func TestOthers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		run  object
		want sdk.Finding
	}{
		"grype": {
			object{
				"tool": object{"driver": object{"name": "grype", "version": "0.87.0", "rules": array{object{
					"id": "CVE-2022-37434-zlib", "name": "ApkMatcherExactDirectMatch", "shortDescription": object{"text": "CVE-2022-37434 critical vulnerability for zlib package"},
					"fullDescription": object{"text": "Version 1.2.12-r0 is affected"},
					"help":            object{"text": "Vulnerability CVE-2022-37434\nSeverity: critical\nPackage: zlib\nVersion: 1.2.12-r0\nFix Version: none\nType: apk\nLocation: lib/apk/db/installed\nLink: x"},
					"properties":      object{"security-severity": "9.8"},
				}}}},
				"results": array{object{"ruleId": "CVE-2022-37434-zlib", "message": object{"text": "A critical vulnerability in apk package: zlib, version 1.2.12-r0 was found at: /lib/apk/db/installed"}}},
			},
			sdk.Finding{
				ID: "CVE-2022-37434", Ecosystem: "apk", Package: "zlib", InstalledVersion: "1.2.12-r0", Severity: sdk.SeverityCritical, Score: 9.8,
				Title: "CVE-2022-37434 critical vulnerability for zlib package", Description: "Version 1.2.12-r0 is affected", Path: "lib/apk/db/installed",
			},
		},
		"docker scout": {
			object{
				"tool": object{"driver": object{"name": "docker scout", "semanticVersion": "1.0", "rules": array{object{"id": "CVE-2019-10744", "properties": object{"security-severity": 9.1}}}}},
				"results": array{object{"rule": object{"index": 0}, "message": object{
					"text": "  Vulnerability   : CVE-2019-10744\n  Severity        : HIGH\n  Package         : pkg:npm/lodash@4.17.4\n  Affected range  : <4.17.12\n  Fixed version   : 4.17.12\n"}}},
			},
			sdk.Finding{
				ID: "CVE-2019-10744", Ecosystem: "npm", Package: "lodash", InstalledVersion: "4.17.4", FixedVersion: "4.17.12", PURL: "pkg:npm/lodash@4.17.4",
				Severity: sdk.SeverityHigh, Score: 9.1,
			},
		},
	}
	for name, tt := range tests {
		got, err := parse(bytes.NewReader(encode(t, log(tt.run))))
		if diff := cmp.Diff([]sdk.Finding{tt.want}, got.Findings); diff != "" || err != nil || got.Subject.Tool != name {
			t.Errorf("%s: %v, tool %q (-want +got):\n%s", name, err, got.Subject.Tool, diff)
		}
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		said  string
		tags  []string
		score float64
		want  sdk.Severity
	}{
		{"low", []string{"HIGH"}, 9.8, sdk.SeverityLow}, {"", []string{"security", "HIGH"}, 9.8, sdk.SeverityHigh},
		{"", nil, 9, sdk.SeverityCritical}, {"", nil, 7, sdk.SeverityHigh}, {"unknown", nil, 4, sdk.SeverityMedium}, {"", nil, 0.1, sdk.SeverityLow},
		{"", nil, 0, sdk.SeverityUnspecified}, {"unknown", nil, 0, sdk.SeverityUnknown},
	}
	for _, tt := range tests {
		if got := severity(tt.said, tt.tags, tt.score); got != tt.want {
			t.Errorf("%+v gives %v", tt, got)
		}
	}
	for text, want := range map[string]float64{"9.8": 9.8, "NaN": 0, "11": 0, "-1": 0, "": 0, "x": 0} {
		if got := score(text); got != want {
			t.Errorf("the score %q is %v", text, got)
		}
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	nameless := object{"tool": object{"driver": object{"name": "second"}}}
	got, err := parse(bytes.NewReader(encode(t, log(nameless, trivy()))))
	if err != nil || got.Subject.Tool != "second" || got.Subject.Digest != digest || len(got.Findings) != 1 {
		t.Errorf("two runs of one image: %v, %+v", err, got.Subject)
	}
	other := trivy()
	other["properties"] = object{"imageName": "r.example/other:1"}
	if _, err := parse(bytes.NewReader(encode(t, log(trivy(), other)))); !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), "several images") {
		t.Errorf("two runs of two images: %v", err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conn, err := sdktest.Connect(Plugin("test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if r := sdktest.Check(t.Context(), conn, sdktest.Options{Document: encode(t, log(trivy()))}); !r.OK() {
		t.Error(r)
	}
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		doc  string
		want error
		text string
	}{
		"old":        {`{"version":"1.0.0","runs":[{"tool":{"driver":{"name":"x"}}}]}`, sdk.ErrInvalid, "1.0.0"},
		"no runs":    {`{"version":"2.1.0","runs":[]}`, sdk.ErrInvalid, "no runs"},
		"no tool":    {`{"version":"2.1.0","runs":[{"results":[]}]}`, sdk.ErrInvalid, "tool"},
		"wrong type": {`{"version":"2.1.0","runs":{}}`, sdk.ErrInvalid, "runs as an array"},
		"image id":   {`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"properties":{"imageID":"x"}}]}`, sdk.ErrInvalid, "imageID"},
		"control":    {`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"ruleId":"a","message":{"text":"Package: a\u001b[31m\nVersion: 1"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"\u001b[31m"}}}]}]}]}`, sdk.ErrInvalid, "control character"},
		"deep":       {`{"version":"2.1.0","x":` + strings.Repeat("[", 100_000), sdk.ErrInvalid, "depth"},
	}
	for name, tt := range tests {
		_, err := parse(strings.NewReader(tt.doc))
		if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.text) {
			t.Errorf("%s: error %v, want one that is %q and says %q", name, err, tt.want, tt.text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, log(trivy())))
	f.Add([]byte(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"rule":{"index":7},"message":{"text":"Package: pkg:a/b@1"}}]}]}`))
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
