package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// sampleLayer has a package of the system, a package that belongs to it, one
// that does not, and whiteouts.
func sampleLayer(t testing.TB) []byte {
	t.Helper()
	l := sampleimage.Alpine("3.17.3", sampleimage.Package{
		Name: "npm", Version: "9.1.2-r0", Files: []string{"usr/lib/node_modules/npm/package.json"},
	})
	l = append(l,
		sampleimage.File{Path: "usr/lib/node_modules/npm/package.json", Body: `{"name":"npm","version":"9.1.2"}`},
		sampleimage.File{Path: "srv/node_modules/lodash/package.json", Body: `{"name":"lodash","version":"4.17.11"}`},
		sampleimage.File{Path: "srv/.wh.old", Body: ""},
		sampleimage.File{Path: "etc/conf.d/.wh..wh..opq", Body: ""},
		sampleimage.File{Path: "bin/sh", Link: "busybox"},
	)
	raw, err := l.Tar()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func pack(t testing.TB, how string, raw []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch how {
	case "plain":
		return raw
	case "gzip":
		w = gzip.NewWriter(&buf)
	case "zstd":
		z, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func analyzeBytes(blob []byte, diffID string, l limit.Limits) (inventory.LayerAnalysis, error) {
	return New(all.Analyzers(), l).Analyze(context.Background(), Blob{
		Digest: digest(blob), DiffID: diffID, Body: bytes.NewReader(blob),
	})
}

func TestAnalyze(t *testing.T) {
	t.Parallel()
	raw := sampleLayer(t)
	for _, how := range []string{"plain", "gzip", "zstd"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			blob := pack(t, how, raw)
			got, err := analyzeBytes(blob, digest(raw), limit.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			npm := func(name, version string) inventory.PackageSet {
				return inventory.PackageSet{Ecosystem: inventory.NPM, Packages: []inventory.Package{{Name: name, Version: version}}}
			}
			want := inventory.LayerAnalysis{
				Key:    inventory.LayerKey{Digest: digest(blob), Analyzers: analyze.Fingerprint(all.Analyzers())},
				DiffID: digest(raw),
				Sets: []inventory.SourceSet{
					{Path: "lib/apk/db/installed", Set: inventory.PackageSet{Ecosystem: inventory.Apk, Packages: []inventory.Package{
						{Name: "npm", Version: "9.1.2-r0", Arch: "x86_64"},
					}}},
					// npm's own package.json belongs to the package npm.
					{Path: "srv/node_modules/lodash/package.json", Set: npm("lodash", "4.17.11")},
				},
				OS: []inventory.OSFact{
					{Path: "etc/alpine-release", Family: "alpine", Version: "3.17.3"},
					{Path: "etc/apk/repositories", Family: "alpine", Repository: "3.17"},
					{Path: "etc/os-release", Family: "alpine", Version: "3.17.3"},
				},
				Whiteouts: []string{"srv/old"},
				Opaque:    []string{"etc/conf.d"},
				Stats: inventory.Stats{
					Compressed: int64(len(blob)), Uncompressed: int64(len(raw)), Entries: 9, Files: 6,
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDigestsAreChecked(t *testing.T) {
	t.Parallel()
	raw := sampleLayer(t)
	blob := pack(t, "gzip", raw)
	r := New(all.Analyzers(), limit.Limits{})
	for _, tt := range []struct {
		name string
		blob Blob
	}{
		{"another blob", Blob{Digest: digest(raw), DiffID: digest(raw), Body: bytes.NewReader(blob)}},
		{"another tar", Blob{Digest: digest(blob), DiffID: digest(blob), Body: bytes.NewReader(blob)}},
		{"cut short on the way", Blob{Digest: digest(blob), DiffID: digest(raw), Body: bytes.NewReader(blob[:len(blob)/2])}},
		{"bytes appended", Blob{Digest: digest(blob), DiffID: digest(raw), Body: bytes.NewReader(append(bytes.Clone(blob), 0))}},
		{"nothing", Blob{Digest: digest(blob), DiffID: digest(raw), Body: strings.NewReader("")}},
		{"an error page", Blob{Digest: digest(blob), Body: strings.NewReader("<html>" + strings.Repeat("sorry ", 1000))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := r.Analyze(context.Background(), tt.blob); !errors.Is(err, ErrDigest) {
				t.Errorf("got %v, want ErrDigest", err)
			}
		})
	}
}

func TestBrokenArchives(t *testing.T) {
	t.Parallel()
	raw := sampleLayer(t)
	long := bytes.Repeat([]byte("x"), 100)
	for name, blob := range map[string][]byte{
		"truncated gzip":          pack(t, "gzip", raw)[:200],
		"truncated zstd":          pack(t, "zstd", raw)[:200],
		"truncated tar":           raw[:515],
		"gzip of a truncated tar": pack(t, "gzip", raw[:515]),
		"gzip of rubbish":         pack(t, "gzip", bytes.Repeat([]byte("rubbish "), 200)),
		"rubbish":                 bytes.Repeat([]byte("rubbish "), 200),
		"gzip header only":        {0x1f, 0x8b, 8, 0},
		"rubbish after gzip":      append(pack(t, "gzip", raw), long...),
		"damaged gzip":            damaged(pack(t, "gzip", raw)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := analyzeBytes(blob, "", limit.Limits{}); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
}

func damaged(blob []byte) []byte {
	blob = bytes.Clone(blob)
	blob[len(blob)/2] ^= 0xff
	return blob
}

func TestConcatenatedMembersAreOneTar(t *testing.T) {
	t.Parallel()
	raw := sampleLayer(t)
	blob := append(pack(t, "gzip", raw[:512]), pack(t, "gzip", raw[512:])...)
	got, err := analyzeBytes(blob, digest(raw), limit.Limits{})
	if err != nil || len(got.Sets) != 2 {
		t.Errorf("got %d sets, error %v", len(got.Sets), err)
	}
}

func TestEmptyLayer(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string][]byte{"no bytes": {}, "end marker only": make([]byte, 1024)} {
		if got, err := analyzeBytes(raw, digest(raw), limit.Limits{}); err != nil || len(got.Sets) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// zeros yields zeros for ever.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// entries yields a tar with as many small files as wanted, for ever.
func entries(t testing.TB, n int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for range n {
		if err := w.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func tarOf(t testing.TB, files ...sampleimage.File) []byte {
	t.Helper()
	raw, err := sampleimage.Layer(files).Tar()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestLimits(t *testing.T) {
	t.Parallel()
	bomb := pack(t, "gzip", tarOf(t, sampleimage.File{Path: "zeros", Body: strings.Repeat("\x00", 8<<20)}))
	for _, tt := range []struct {
		name   string
		blob   []byte
		limits limit.Limits
		want   string
	}{
		{"blob too large", make([]byte, 4096), limit.Limits{LayerBytes: 1000}, "layer_bytes"},
		{"unpacked too large", bomb, limit.Limits{UnpackedBytes: 1 << 20}, "unpacked_bytes"},
		{"gzip bomb", bomb, limit.Limits{RatioFloor: 1 << 20}, "ratio"},
		{"zstd bomb", pack(t, "zstd", make([]byte, 8<<20)), limit.Limits{RatioFloor: 1 << 20}, "ratio"},
		{"too many entries", entries(t, 50), limit.Limits{Entries: 40}, "entries"},
		{"path too long", tarOf(t, sampleimage.File{Path: strings.Repeat("d/", 3000) + "f"}), limit.Limits{}, "path_bytes"},
		{"file too large", tarOf(t, sampleimage.File{Path: "var/lib/dpkg/status", Body: strings.Repeat("x", 5000)}), limit.Limits{FileBytes: 4999}, "file_bytes"},
		{"too much to keep", tarOf(t,
			sampleimage.File{Path: "a/package.json", Body: strings.Repeat("x", 600)},
			sampleimage.File{Path: "b/package.json", Body: strings.Repeat("x", 600)}), limit.Limits{KeptBytes: 1000}, "kept_bytes"},
		{"too many whiteouts", tarOf(t,
			sampleimage.File{Path: strings.Repeat("a", 600) + "/.wh.x"},
			sampleimage.File{Path: strings.Repeat("b", 600) + "/.wh.x"}), limit.Limits{KeptBytes: 1000}, "kept_bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := analyzeBytes(tt.blob, "", tt.limits)
			var exceeded *limit.Error
			if !errors.As(err, &exceeded) || exceeded.Name != tt.want {
				t.Errorf("got %v, want the limit %s", err, tt.want)
			}
		})
	}
}

func TestEndlessLayerEnds(t *testing.T) {
	t.Parallel()
	head := tarOf(t, sampleimage.File{Path: "zeros", Body: "x"})[:512]
	r := New(all.Analyzers(), limit.Limits{LayerBytes: 1 << 20})
	_, err := r.Analyze(context.Background(), Blob{Digest: digest(nil), Body: io.MultiReader(bytes.NewReader(head), zeros{})})
	if !errors.Is(err, limit.ErrExceeded) {
		t.Errorf("got %v, want an exceeded limit", err)
	}
}

func TestUnreadableSource(t *testing.T) {
	t.Parallel()
	boom := errors.New("connection reset")
	raw := sampleLayer(t)
	body := io.MultiReader(bytes.NewReader(raw[:1000]), iotest.ErrReader(boom))
	_, err := New(all.Analyzers(), limit.Limits{}).Analyze(context.Background(), Blob{Digest: digest(raw), Body: body})
	if !errors.Is(err, boom) || errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want the source's error and no word about the archive", err)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	raw := sampleLayer(t)
	_, err := New(all.Analyzers(), limit.Limits{}).Analyze(ctx, Blob{Digest: digest(raw), Body: bytes.NewReader(raw)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestPathsStayInTheImage(t *testing.T) {
	t.Parallel()
	const body = `{"name":"a","version":"1.0.0"}`
	raw := tarOf(t,
		sampleimage.File{Path: "../../package.json", Body: body},
		sampleimage.File{Path: "x/../../package.json", Body: body},
		sampleimage.File{Path: "/abs/package.json", Body: body},
		sampleimage.File{Path: "./dot/../here//package.json", Body: body},
		sampleimage.File{Path: "x/.wh...", Body: ""},
		sampleimage.File{Path: "bad\xff/package.json", Body: body},
	)
	got, err := analyzeBytes(raw, "", limit.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, s := range got.Sets {
		paths = append(paths, s.Path)
	}
	if diff := cmp.Diff([]string{"abs/package.json", "bad\uFFFD/package.json", "here/package.json"}, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if len(got.Problems) != 2 || len(got.Whiteouts) != 0 {
		t.Errorf("problems %+v, whiteouts %v", got.Problems, got.Whiteouts)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	var files []sampleimage.File
	for range maxProblems + 50 {
		files = append(files, sampleimage.File{Path: "package.json", Body: "broken"})
	}
	got, err := analyzeBytes(tarOf(t, files...), "", limit.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Problems) != maxProblems+1 || !strings.HasPrefix(got.Problems[0].Reason, "50 more") {
		t.Errorf("%d problems, the first is %+v", len(got.Problems), got.Problems[0])
	}
}

func TestWhiteout(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		kind   whiteoutKind
		target string
	}{
		"a/b":              {notWhiteout, ""},
		"a/.wh.b":          {deletes, "a/b"},
		".wh.b":            {deletes, "b"},
		"a/.wh..hidden":    {deletes, "a/.hidden"},
		"a/.wh..wh..opq":   {opaque, "a"},
		".wh..wh..opq":     {opaque, ""},
		"a/.wh..wh.plnk":   {notWhiteout, ""},
		"a/.wh.":           {notWhiteout, ""},
		"a/.wh..":          {notWhiteout, ""},
		"a/.wh...":         {notWhiteout, ""},
		"a/x.wh.b":         {notWhiteout, ""},
		".wh.dir/inside":   {notWhiteout, ""},
		"a/.wh.with space": {deletes, "a/with space"},
	} {
		if kind, target := whiteout(name); kind != want.kind || target != want.target {
			t.Errorf("%q: %d %q, want %d %q", name, kind, target, want.kind, want.target)
		}
	}
}

func FuzzWhiteout(f *testing.F) {
	f.Add("a/.wh.b")
	f.Add("../.wh...")
	f.Add("/.wh..wh..opq")
	f.Fuzz(func(t *testing.T, name string) {
		cleaned, ok := CleanPath(name)
		if !ok {
			return
		}
		if strings.HasPrefix(cleaned, "/") || cleaned == ".." || strings.HasPrefix(cleaned, "../") {
			t.Errorf("%q becomes %q, which is not inside the image", name, cleaned)
		}
		kind, target := whiteout(cleaned)
		again, ok := CleanPath(target)
		if kind != notWhiteout && (!ok || again != target) {
			t.Errorf("%q deletes %q, which is not a clean path inside the image", name, target)
		}
		if kind == deletes && target == "" {
			t.Errorf("%q deletes the root", name)
		}
	})
}

func FuzzAnalyze(f *testing.F) {
	raw := sampleLayer(f)
	f.Add(raw)
	f.Add(pack(f, "gzip", raw))
	f.Add(pack(f, "zstd", raw))
	f.Add(raw[:600])
	r := New(all.Analyzers(), limit.Limits{UnpackedBytes: 1 << 20, Entries: 1000})
	f.Fuzz(func(t *testing.T, blob []byte) {
		got, err := r.Analyze(context.Background(), Blob{Digest: digest(blob), Body: bytes.NewReader(blob)})
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, limit.ErrExceeded) {
			t.Errorf("an error without a kind: %v", err)
		}
		for _, s := range got.Sets {
			if _, err := inventory.DecodeSet(s.Set.ID(), s.Set.Encode()); err != nil {
				t.Error(err)
			}
		}
	})
}
