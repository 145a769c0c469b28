package neuvector

import (
	"bytes"
	"context"
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
	hex     = "58134923d079fb5d49843ff642dff2fcf8d6e55217aa97c6a4e54528784a13ed"
	imageID = "sha256:" + hex
	digest  = "sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"
)

// result is what the scanner posts.
const result = `{"result":{
 "Version":"3.562","CVEDBCreateTime":"2026-10-30T11:00:00Z","Error":0,"Provider":0,"OSScanStatus":1,
 "Namespace":"alpine:3.12.12","Registry":"https://registry.example:5000/","Repository":"shop/web","Tag":"1.4.2",
 "Digest":"` + digest + `","ImageID":"` + hex + `","Author":"me","Created":"2026-10-01T00:00:00Z","Size":5000,
 "Envs":null,"Cmds":["CMD [\"sh\"]"],"Labels":{"a":"b"},
 "Vuls":[
  {"Name":"CVE-2022-37434","Score":7.5,"Severity":"Critical","PackageNameDeprecated":"old","PackageName":"zlib","PackageVersion":"1.2.12-r0",
   "FixedVersion":"1.2.12-r2","Vectors":"AV:N","ScoreV3":9.8,"VectorsV3":"CVSS:3.1/AV:N","PublishedDate":"1659683700","LastModifiedDate":"-62135596800",
   "CPEs":null,"CVEs":["CVE-2022-37434"],"FeedRating":"","InBase":true,"DBKey":"alpine:CVE-2022-37434"},
  {"Name":"CVE-2019-10744","Severity":"High","PackageNameDeprecated":"lodash","PackageVersion":"4.17.4","DBKey":"apps:CVE-2019-10744","FileName":"srv/package.json"},
  {"Name":"CVE-1","Severity":"Low"}],
 "Layers":[{"Digest":"` + digest + `","Vuls":[{"Name":"CVE-2022-37434","PackageName":"zlib"}],"Cmds":"ADD","Size":1}],
 "Modules":[{"Name":"zlib","Version":"1.2.12-r0","Source":"alpine:3.12.12","Vuls":[{"Name":"CVE-2022-37434","Status":1}],"CPEs":null,"File":""}],
 "Secrets":{"Error":0,"Logs":[]},"SetIdPerms":[],"SignatureInfo":{"Verifiers":null},"ScanTypesRequested":{"Vulnerability":true}}}`

// report is what the scanner leaves in a file, about the same image.
const report = `{"error_message":"","report":{
 "image_id":"` + hex + `","registry":"https://registry.example:5000/","repository":"shop/web","tag":"1.4.2","digest":"` + digest + `","size":5000,
 "author":"","base_os":"alpine:3.12.12","created_at":"","cvedb_version":"3.562","cvedb_create_time":"","layers":[{"digest":"x","vulnerabilities":[]}],
 "vulnerabilities":[
  {"name":"CVE-2022-37434","score":7.5,"severity":"Critical","vectors":"AV:N","description":"heap overflow","file_name":"","package_name":"zlib",
   "package_version":"1.2.12-r0","fixed_version":"1.2.12-r2","link":"https://nvd.example/1","score_v3":9.8,"vectors_v3":"CVSS:3.1/AV:N",
   "published_timestamp":1659683700,"last_modified_timestamp":-62135596800,"cpes":[],"cves":[],"feed_rating":"","in_base_image":false,"tags":[]}],
 "modules":[{"name":"zlib","file":"","version":"1.2.12-r0","source":"alpine","cves":[],"cpes":[]}],
 "secrets":[],"setid_perms":[],"envs":[],"labels":{},"cmds":[]}}`

func parse(r io.Reader) (sdk.Document, error) {
	var c sdk.Collector
	err := Ingester{}.Parse(context.Background(), r, &c)
	return c.Document, err
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	subject := sdk.Subject{
		Registry: "registry.example:5000", Repository: "shop/web", Tag: "1.4.2", Digest: digest, ImageID: imageID,
		OSFamily: "alpine", OSVersion: "3.12.12", Tool: "neuvector", ToolVersion: "3.562", ListsPackages: true,
	}
	packages := []sdk.Package{{Ecosystem: "alpine", Name: "zlib", Version: "1.2.12-r0"}}
	zlib := sdk.Finding{
		ID: "CVE-2022-37434", Package: "zlib", InstalledVersion: "1.2.12-r0", FixedVersion: "1.2.12-r2", Severity: sdk.SeverityCritical,
		Score: 9.8, Vector: "CVSS:3.1/AV:N", Published: time.Date(2022, 8, 5, 7, 15, 0, 0, time.UTC),
	}
	keyed, described := zlib, zlib
	keyed.Ecosystem = "alpine"
	described.Description, described.URL = "heap overflow", "https://nvd.example/1"
	lodash := sdk.Finding{
		ID: "CVE-2019-10744", Ecosystem: "apps", Package: "lodash", InstalledVersion: "4.17.4", Severity: sdk.SeverityHigh, Path: "srv/package.json",
	}
	tests := map[string]struct {
		doc  string
		want sdk.Document
	}{
		"result": {result, sdk.Document{
			Subject: subject, Packages: packages, Findings: []sdk.Finding{keyed, lodash},
			Warnings: []string{"a vulnerability without a name or a package is left out"},
		}},
		"report": {report, sdk.Document{Subject: subject, Packages: packages, Findings: []sdk.Finding{described}}},
	}
	for name, tt := range tests {
		for _, r := range []io.Reader{strings.NewReader(tt.doc), iotest.OneByteReader(strings.NewReader(tt.doc))} {
			got, err := parse(r)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{result, report} {
		conn, err := sdktest.Connect(Plugin("test"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if r := sdktest.Check(t.Context(), conn, sdktest.Options{Document: []byte(doc)}); !r.OK() {
			t.Error(r)
		}
	}
}

func TestRecognize(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]string{
		result: FormatResult, result[:200]: FormatResult, report: FormatReport, report[:200]: FormatReport,
		`{"result":{"ok":true}}`: "", `{"report":{"Results":[]}}`: "", `{"result":[{"Vuls":[]}]}`: "", `{"error_message":"x"}`: "",
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
		"a failed scan":      {strings.Replace(result, `"Error":0`, `"Error":13`, 1), sdk.ErrInvalid, "authentication error"},
		"an unknown failure": {strings.Replace(result, `"Error":0`, `"Error":99`, 1), sdk.ErrInvalid, "error 99"},
		"a failed file":      {`{"error_message":"Unable to pull","report":null}`, sdk.ErrInvalid, "Unable to pull"},
		"a message":          {strings.Replace(report, `"error_message":""`, `"error_message":"timeout"`, 1), sdk.ErrInvalid, "timeout"},
		"neither":            {`{}`, sdk.ErrInvalid, "neither"},
		"bad digest":         {strings.Replace(result, `"Digest":"sha256:`, `"Digest":"md5:`, 1), sdk.ErrInvalid, "digest"},
		"bad image id":       {strings.Replace(report, hex, "zz", 1), sdk.ErrInvalid, "image id"},
		"bad repository":     {strings.Replace(report, "shop/web", "../Web", 1), sdk.ErrInvalid, "no name"},
		"control":            {strings.Replace(result, "lodash", `lo\u0000`, 1), sdk.ErrInvalid, "control character"},
		"wrong type":         {`{"result":{"Vuls":{}}}`, sdk.ErrInvalid, "Vuls as an array"},
	}
	for name, tt := range tests {
		_, err := parse(strings.NewReader(tt.doc))
		if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.text) {
			t.Errorf("%s: error %v, want one that is %q and says %q", name, err, tt.want, tt.text)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"1659683700": 1659683700, "-62135596800": 0, "0": 0, "": 0, "x": 0, "99999999999999": 0} {
		got := seconds(text)
		if got.IsZero() != (want == 0) || want != 0 && got.Unix() != want {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(result))
	f.Add([]byte(report))
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
