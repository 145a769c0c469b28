package layer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/spool"
)

func TestZstdWindows(t *testing.T) {
	t.Parallel()
	raw := tarOf(t, sampleimage.File{Path: "srv/node_modules/a/package.json", Body: `{"name":"a","version":"1.0.0"}`},
		sampleimage.File{Path: "noise", Body: strings.Repeat("0123456789abcdef", 1<<20)})
	windowed := func(size int) []byte {
		var buf bytes.Buffer
		// The size is not told beforehand, so that the frame names its window.
		z, err := zstd.NewWriter(&buf, zstd.WithWindowSize(size))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	r := New(all.Analyzers(), limit.Limits{})
	var wait sync.WaitGroup
	for _, size := range []int{1 << 20, usualWindow, 2 * usualWindow, 4 * usualWindow, 4 * usualWindow} {
		wait.Go(func() {
			blob := windowed(size)
			got, err := r.Analyze(context.Background(), Blob{Digest: digest(blob), Body: bytes.NewReader(blob)})
			if err != nil || len(got.Sets) != 1 {
				t.Errorf("window of %d: %d sets, %v", size, len(got.Sets), err)
			}
		})
	}
	wait.Wait()
	for name, blob := range map[string][]byte{
		"wider than allowed":             windowed(8 * usualWindow),
		"a wide frame behind a narrow":   append(pack(t, "zstd", raw[:512]), windowed(4*usualWindow)...),
		"a header of nothing but magic":  {0x28, 0xb5, 0x2f, 0xfd},
		"a header with a reserved field": {0x28, 0xb5, 0x2f, 0xfd, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if _, err := r.Analyze(context.Background(), Blob{Digest: digest(blob), Body: bytes.NewReader(blob)}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

// TestLayersForLazyPulling reads a layer as eStargz has it: a gzip member for
// each entry, an index as the last file, and a footer that is an empty member.
func TestLayersForLazyPulling(t *testing.T) {
	t.Parallel()
	raw := tarOf(t, sampleimage.File{Path: ".no.prefetch.landmark", Body: "\x0f"},
		sampleimage.File{Path: "srv/node_modules/a/package.json", Body: `{"name":"a","version":"1.0.0"}`},
		sampleimage.File{Path: "stargz.index.json", Body: `{"version":1,"entries":[]}`})
	var blob []byte
	for start := 0; start < len(raw); start += 1024 {
		blob = append(blob, pack(t, "gzip", raw[start:min(len(raw), start+1024)])...)
	}
	blob = append(blob, pack(t, "gzip", nil)...)
	got, err := New(all.Analyzers(), limit.Limits{}).Analyze(context.Background(), Blob{Digest: digest(blob), Body: bytes.NewReader(blob)})
	if err != nil || len(got.Sets) != 1 || got.DiffID != digest(raw) {
		t.Errorf("%d sets, %v", len(got.Sets), err)
	}
}

// counting wants every file and remembers how much of it there was.
type counting struct {
	name    string
	streams bool
	read    *atomic.Int64
}

func (c counting) Name() string             { return c.name }
func (counting) Version() int               { return 1 }
func (counting) Required(analyze.File) bool { return true }
func (c counting) Streams() bool            { return c.streams }
func (c counting) Begin() analyze.Run       { return c }
func (counting) Result() analyze.Result     { return analyze.Result{} }
func (c counting) Read(f analyze.File, r io.Reader) error {
	held, err := spool.Hold(r, f.Size, 1<<40, "test_bytes")
	if err != nil {
		return err
	}
	c.read.Add(held.Size())
	return held.Close()
}

func TestFilesOfSeveralAnalyzers(t *testing.T) {
	t.Parallel()
	raw := tarOf(t, sampleimage.File{Path: "a", Body: strings.Repeat("x", 1000)}, sampleimage.File{Path: "b", Body: strings.Repeat("x", 3000)})
	for name, tt := range map[string]struct {
		streams  bool
		limits   limit.Limits
		read     int64
		problems int
		err      error
	}{
		"both read all":                      {streams: true, read: 8000},
		"too large to be held":               {streams: true, limits: limit.Limits{HeldBytes: 2000}, read: 2000, problems: 1},
		"a stream has no bound":              {streams: true, limits: limit.Limits{FileBytes: 10, KeptBytes: 5000}, read: 8000},
		"but many files have":                {streams: true, limits: limit.Limits{KeptBytes: 1}, err: limit.ErrExceeded},
		"whoever does not stream is bounded": {limits: limit.Limits{FileBytes: 2000}, err: limit.ErrExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var read atomic.Int64
			analyzers := []analyze.Analyzer{counting{"one", true, &read}, counting{"two", tt.streams, &read}}
			got, err := New(analyzers, tt.limits).Analyze(context.Background(), Blob{Digest: digest(raw), Body: bytes.NewReader(raw)})
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil && (read.Load() != tt.read || len(got.Problems) != tt.problems) {
				t.Errorf("read %d, problems %+v", read.Load(), got.Problems)
			}
		})
	}
}
