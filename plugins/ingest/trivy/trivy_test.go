package trivy

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

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const (
	imageID = "sha256:58134923d079fb5d49843ff642dff2fcf8d6e55217aa97c6a4e54528784a13ed"
	diffID  = "sha256:018b22370e2f6bdc8df8aebf4572e55c37799b8dc229426a260fd90ae73415db"
	digest  = "sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"
	other   = "sha256:aa22ef37f71d4997699215f1a49a71b9119537e2590fddd28bb7da83b8ae8bbd"
)

// object and array write JSON as Go values; object keeps no order, which is the
// point: nothing may depend on it.
type (
	object = map[string]any
	array  = []any
)

// report is a small document with everything in it.
func report() object {
	return object{
		"SchemaVersion": 2, "Trivy": object{"Version": "0.74.0"}, "CreatedAt": "2026-11-01T10:00:00.5Z",
		"ArtifactName": "registry.example:5000/shop/web:1.4.2", "ArtifactType": "container_image",
		"Metadata": object{
			"Size": 614400, "OS": object{"Family": "alpine", "Name": "3.12.12", "EOSL": true},
			"ImageID": imageID, "DiffIDs": array{diffID},
			"RepoTags":    array{"registry.example:5000/shop/web:1.4.2"},
			"RepoDigests": array{"mirror.example/web@" + other, "registry.example:5000/shop/web@" + digest},
			"ImageConfig": object{"architecture": "arm64", "os": "linux", "variant": "v8", "config": object{"Env": array{"A=B"}}},
		},
		"Results": array{
			object{
				"Target": "shop/web:1.4.2 (alpine 3.12.12)", "Class": "os-pkgs", "Type": "alpine",
				"Packages": array{object{
					"ID": "zlib@1.2.12-r0", "Name": "zlib", "Version": "1.2.12", "Release": "r0", "Epoch": 1, "Arch": "x86_64",
					"SrcName": "zlib", "SrcVersion": "1.2.12-r0", "Licenses": array{"Zlib"}, "Layer": object{"DiffID": diffID},
					"Identifier":     object{"PURL": "pkg:apk/alpine/zlib@1.2.12-r0"},
					"InstalledFiles": array{"lib/libz.so.1"},
				}},
				"Vulnerabilities": array{object{
					"VulnerabilityID": "CVE-2022-37434", "PkgName": "zlib", "InstalledVersion": "1.2.12-r0", "FixedVersion": "1.2.12-r2",
					"Status": "fixed", "Layer": object{"DiffID": diffID}, "PrimaryURL": "https://example.invalid/CVE-2022-37434",
					"Title": "zlib: heap overflow", "Description": "first\nsecond\x07", "Severity": "CRITICAL", "SeveritySource": "ghsa",
					"CVSS": object{
						"redhat": object{"V3Score": 7.0, "V3Vector": "redhat"}, "ghsa": object{"V3Score": 9.1, "V3Vector": "ghsa"},
						"nvd": object{"V2Score": 5.0, "V2Vector": "nvd2"},
					},
					"PublishedDate": "2022-08-05T07:15:00Z", "LastModifiedDate": "2023-07-19T00:56:00Z",
				}},
			},
			object{
				"Target": "srv/web/yarn.lock", "Class": "lang-pkgs", "Type": "yarn",
				"Packages":        array{object{"Name": "accepts", "Version": "1.3.8"}},
				"Vulnerabilities": nil, "Misconfigurations": array{object{"deep": array{array{array{1}}}}},
			},
		},
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

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
			Platform: "linux/arm64/v8", ImageID: imageID, DiffIDs: []string{diffID}, OSFamily: "alpine", OSVersion: "3.12.12",
			Tool: "trivy", ToolVersion: "0.74.0", Created: time.Date(2026, 11, 1, 10, 0, 0, 5e8, time.UTC), ListsPackages: true,
		},
		Packages: []sdk.Package{
			{
				Ecosystem: "alpine", Name: "zlib", Version: "1:1.2.12-r0", Arch: "x86_64", SourceName: "zlib", SourceVersion: "1.2.12-r0",
				PURL: "pkg:apk/alpine/zlib@1.2.12-r0", Layer: diffID, Licenses: []string{"Zlib"},
			},
			{Ecosystem: "yarn", Name: "accepts", Version: "1.3.8", Path: "srv/web/yarn.lock"},
		},
		Findings: []sdk.Finding{{
			ID: "CVE-2022-37434", Ecosystem: "alpine", Package: "zlib", InstalledVersion: "1.2.12-r0", FixedVersion: "1.2.12-r2",
			Severity: sdk.SeverityCritical, Status: "fixed", Score: 9.1, Vector: "ghsa", Title: "zlib: heap overflow",
			Description: "first\nsecond", URL: "https://example.invalid/CVE-2022-37434", Layer: diffID,
			Published: time.Date(2022, 8, 5, 7, 15, 0, 0, time.UTC), Modified: time.Date(2023, 7, 19, 0, 56, 0, 0, time.UTC),
		}},
	}
	doc := encode(t, report())
	readers := map[string]io.Reader{
		"whole":        bytes.NewReader(doc),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(doc)),
		"with a mark":  iotest.OneByteReader(io.MultiReader(strings.NewReader("\xEF\xBB\xBF"), bytes.NewReader(doc))),
	}
	for name, r := range readers {
		got, err := parse(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
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
	if r := sdktest.Check(t.Context(), conn, sdktest.Options{Document: encode(t, report())}); !r.OK() {
		t.Error(r)
	}
}

// TestIdentity is about what a document may call an image.
func TestIdentity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		artifact      string
		tags, digests array
		want          string // registry|repository|tag|digest
		wantWarnings  int
	}{
		"by digest":            {"r.example/a/b@" + digest, nil, nil, "r.example|a/b||" + digest, 0},
		"tag and digest":       {"r.example/a/b:1@" + digest, nil, array{"r.example/a/b@" + other}, "r.example|a/b|1|" + digest, 0},
		"no registry":          {"alpine:3.9", nil, array{"alpine@" + digest}, "|alpine|3.9|" + digest, 0},
		"no tag":               {"r.example/a", nil, nil, "r.example|a||", 0},
		"a file":               {"./build/image.tar", array{"r.example/a:1"}, nil, "r.example|a|1|", 0},
		"a file without tags":  {"image.tar.gz", nil, array{"r.example/a@" + digest}, "r.example|a||" + digest, 0},
		"nothing":              {"", nil, nil, "|||", 0},
		"one digest elsewhere": {"r.example/a:1", nil, array{"m.example/a@" + digest}, "r.example|a|1|" + digest, 0},
		"two digests":          {"r.example/a:1", nil, array{"m.example/a@" + digest, "n.example/a@" + other}, "r.example|a|1|", 1},
		"two of the same":      {"r.example/a:1", nil, array{"m.example/a@" + digest, "n.example/a@" + digest}, "r.example|a|1|" + digest, 0},
		"not a digest":         {"r.example/a:1", nil, array{"r.example/a@sha256:1234", "x y"}, "r.example|a|1|", 2},
		"upper case is none":   {"R.example/A:1", array{"r.example/a:1"}, nil, "r.example|a|1|", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := report()
			doc["ArtifactName"] = tt.artifact
			doc["Metadata"].(object)["RepoTags"], doc["Metadata"].(object)["RepoDigests"] = tt.tags, tt.digests
			got, err := parse(bytes.NewReader(encode(t, doc)))
			if err != nil {
				t.Fatal(err)
			}
			s := got.Subject
			if is := strings.Join([]string{s.Registry, s.Repository, s.Tag, s.Digest}, "|"); is != tt.want {
				t.Errorf("identity is %s, want %s", is, tt.want)
			}
			if len(got.Warnings) != tt.wantWarnings {
				t.Errorf("warnings: %q", got.Warnings)
			}
		})
	}
}

// TestBadDocuments: each is refused, with a reason and, where there is one, a place.
func TestBadDocuments(t *testing.T) {
	t.Parallel()
	with := func(key string, value any) string {
		doc := report()
		doc[key] = value
		return string(encode(t, doc))
	}
	pkg := func(p object) string {
		return with("Results", array{object{"Type": "alpine", "Packages": array{p}}})
	}
	good := string(encode(t, report()))
	tests := map[string]struct {
		doc  string
		want error
		text string
	}{
		"empty":              {"", sdk.ErrInvalid, "empty"},
		"blank":              {" \n ", sdk.ErrInvalid, "empty"},
		"cut off":            {good[:len(good)-10], sdk.ErrInvalid, fmt.Sprintf("ends at byte %d", len(good)-10)},
		"array":              {"[" + good + "]", sdk.ErrInvalid, "expected a JSON object"},
		"goes on":            {good + "{}", sdk.ErrInvalid, "byte"},
		"two values":         {good + " 1", sdk.ErrInvalid, "byte"},
		"NUL":                {strings.Replace(good, "zlib", "zl\x00ib", 1), sdk.ErrInvalid, "byte"},
		"escaped NUL":        {pkg(object{"Name": "zl\x00ib"}), sdk.ErrInvalid, `control character`},
		"escape sequence":    {pkg(object{"Name": "z", "Version": "\x1b[31m"}), sdk.ErrInvalid, "Version of package"},
		"not UTF-8":          {strings.Replace(good, "zlib", "zl\xffib", 1), sdk.ErrInvalid, "UTF-8"},
		"UTF-16":             {"\xff\xfe{\x00", sdk.ErrInvalid, "--output"},
		"NaN":                {strings.Replace(good, "9.1", "NaN", 1), sdk.ErrInvalid, "at byte"},
		"huge float":         {strings.Replace(good, "9.1", "1e999", 1), sdk.ErrInvalid, "1e999"},
		"huge integer":       {pkg(object{"Name": "z", "Epoch": json.RawMessage("1" + strings.Repeat("0", 400))}), sdk.ErrInvalid, "Epoch"},
		"name given twice":   {strings.Replace(good, `"SchemaVersion":2`, `"SchemaVersion":2,"SchemaVersion":2`, 1), sdk.ErrInvalid, "duplicate"},
		"twice in a package": {strings.Replace(good, `"Name":"accepts"`, `"Name":"accepts","Name":"x"`, 1), sdk.ErrInvalid, "duplicate"},
		"deep":               {`{"SchemaVersion":2,"x":` + strings.Repeat("[", 100_000), sdk.ErrInvalid, "depth"},
		"deep in a package":  {`{"Results":[{"Packages":[{"x":` + strings.Repeat(`{"x":`, 100_000), sdk.ErrInvalid, "depth"},
		"wrong type":         {with("Results", 7), sdk.ErrInvalid, "Results as an array"},
		"wrong result":       {with("Results", array{7}), sdk.ErrInvalid, "a result as an object"},
		"wrong date":         {with("CreatedAt", "yesterday"), sdk.ErrInvalid, "CreatedAt"},
		"no version":         {`{"ArtifactName":"x"}`, sdk.ErrInvalid, "no SchemaVersion"},
		"version 1":          {with("SchemaVersion", 1), sdk.ErrInvalid, "SchemaVersion is 1"},
		"a file system":      {with("ArtifactType", "filesystem"), sdk.ErrInvalid, "filesystem"},
		"image id":           {with("Metadata", object{"ImageID": "sha256:zz"}), sdk.ErrInvalid, "ImageID"},
		"layer id":           {with("Metadata", object{"DiffIDs": array{"x"}}), sdk.ErrInvalid, "DiffIDs"},
		"long name":          {pkg(object{"Name": strings.Repeat("x", document.MaxName+1)}), sdk.ErrLimit, "1025 bytes"},
		"huge value":         {with("x", strings.Repeat("x", 3*document.MaxValue)), sdk.ErrLimit, "more than 8388608 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(strings.NewReader(tt.doc))
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Errorf("error %v, want one that is %q and says %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestErrorsOfOthersStayTheirs(t *testing.T) {
	t.Parallel()
	broken := errors.New("the line broke")
	doc := io.MultiReader(bytes.NewReader(encode(t, report())[:100]), iotest.ErrReader(broken))
	if _, err := parse(doc); !errors.Is(err, broken) || errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a reader that breaks gives %v", err)
	}
	full := errors.New("disk full")
	err := Ingester{}.Parse(t.Context(), bytes.NewReader(encode(t, report())), failingSink{err: full})
	if !errors.Is(err, full) || errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a sink that fails gives %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Ingester{}).Parse(ctx, bytes.NewReader(encode(t, report())), &sdk.Collector{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled parse gives %v", err)
	}
}

type failingSink struct {
	sdk.Sink
	err error
}

func (f failingSink) Packages([]sdk.Package) error { return f.err }
func (f failingSink) Findings([]sdk.Finding) error { return nil }

// TestManyItems: lists longer than a batch arrive whole, in order, also when
// the type comes after them.
func TestManyItems(t *testing.T) {
	t.Parallel()
	const n = 3*document.Batch + 7
	var b strings.Builder
	b.WriteString(`{"SchemaVersion":2,"ArtifactType":"container_image","Results":[{"Packages":[`)
	for i := range n {
		fmt.Fprintf(&b, `{"Name":"p%d","Version":"1"},`, i)
	}
	b.WriteString(`{"Version":"1"}],"Type":"late"}]}`)
	got, err := parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Packages) != n || len(got.Warnings) != 1 {
		t.Fatalf("%d packages, warnings %q", len(got.Packages), got.Warnings)
	}
	for i, p := range got.Packages {
		if p.Name != fmt.Sprintf("p%d", i) || p.Ecosystem != "late" {
			t.Fatalf("package %d is %+v", i, p)
		}
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		source string
		cvss   map[string]cvss
		want   float64
	}{
		"none":                 {"", nil, 0},
		"nvd first":            {"ghsa", map[string]cvss{"ghsa": {V3Score: 1}, "nvd": {V3Score: 2}}, 2},
		"then the source":      {"zed", map[string]cvss{"amazon": {V3Score: 1}, "zed": {V3Score: 2}}, 2},
		"then by name":         {"", map[string]cvss{"b": {V3Score: 2}, "a": {V3Score: 1}}, 1},
		"version 3 before 2":   {"", map[string]cvss{"nvd": {V2Score: 9}, "b": {V3Score: 2, V40Score: 3}}, 2},
		"version 4 before 2":   {"", map[string]cvss{"nvd": {V2Score: 9, V40Score: 3}}, 3},
		"out of range is none": {"", map[string]cvss{"nvd": {V3Score: 11, V2Score: 4}, "x": {V3Score: -1}}, 4},
	}
	for name, tt := range tests {
		v := vulnerability{SeveritySource: tt.source, CVSS: tt.cvss}
		if got, _ := v.score(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, report()))
	f.Add([]byte(`{"SchemaVersion":2,"ArtifactType":"container_image","Results":[{"Packages":[{"Name":"x"}],"Type":"t"}]}`))
	f.Add([]byte(`{"SchemaVersion":2,"Metadata":{"RepoDigests":["a@sha256:"]}}`))
	f.Add([]byte("\xEF\xBB\xBF{}"))
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
		again, err := parse(iotest.OneByteReader(bytes.NewReader(doc)))
		if diff := cmp.Diff(got, again); diff != "" || err != nil {
			t.Errorf("read in pieces it differs: %v\n%s", err, diff)
		}
		for _, p := range got.Packages {
			if p.Name == "" {
				t.Error("a package without a name")
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	doc := report()
	results := doc["Results"].(array)
	for range 500 {
		results = append(results, results[0])
	}
	doc["Results"] = results
	raw := encode(b, doc)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(bytes.NewReader(raw)); err != nil {
			b.Fatal(err)
		}
	}
}
