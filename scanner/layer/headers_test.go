package layer

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/limit"
)

// header is a raw tar header in GNU's format.
func header(name string, typeflag byte, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00", size))
	copy(b[136:], "00000000000\x00")
	b[156] = typeflag
	copy(b[257:], "ustar  \x00")
	return b
}

// sealed sets the checksum of a header.
func sealed(b []byte) []byte {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func padded(text string) []byte {
	return append([]byte(text), make([]byte, (512-len(text)%512)%512)...)
}

// special is a header of a kind that describes the next entry.
func special(typeflag byte, text string) []byte {
	return append(sealed(header("special", typeflag, int64(len(text)))), padded(text)...)
}

// record is one PAX record.
func record(key, value string) string {
	n := len(key) + len(value) + 3
	for len(strconv.Itoa(n))+len(key)+len(value)+3 != n {
		n = len(strconv.Itoa(n)) + len(key) + len(value) + 3
	}
	return fmt.Sprintf("%d %s=%s\n", n, key, value)
}

// oldSparse is a sparse file in GNU's old format: of this size, with nothing in
// it, and this many blocks of map.
func oldSparse(name string, size int64, blocks int) []byte {
	b := header(name, tar.TypeGNUSparse, 0)
	put := func(at []byte, n int64) { at[0] = 0x80; binary.BigEndian.PutUint64(at[4:], uint64(n)) }
	put(b[386:], size) // offset of the first entry, whose length is 0
	put(b[398:], 0)
	put(b[483:], size)
	if blocks == 0 {
		return sealed(b)
	}
	b[482] = 1
	sealed(b)
	for n := range blocks {
		more := make([]byte, 512)
		for i := range 21 {
			put(more[24*i:], size)
			put(more[24*i+12:], 0)
		}
		if n < blocks-1 {
			more[504] = 1
		}
		b = append(b, more...)
	}
	return b
}

// sparsePAX is a sparse file by PAX records, with what its data section holds.
func sparsePAX(data string, records ...string) []byte {
	b := special(tar.TypeXHeader, strings.Join(records, ""))
	b = append(b, sealed(header("a.jar", tar.TypeReg, int64(len(data))))...)
	return append(b, padded(data)...)
}

// TestHeadersWithoutEnd are tars whose headers alone would fill the memory or
// take for ever.
func TestHeadersWithoutEnd(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	one := record("GNU.sparse.size", strconv.Itoa(4*mib))
	for _, tt := range []struct {
		name string
		head []byte
		// again is repeated without end after it.
		again  []byte
		limits limit.Limits
		want   error
	}{
		{"a PAX record too long", special(tar.TypeXHeader, record("comment", strings.Repeat("x", 2*mib))), nil, limit.Limits{}, ErrMalformed},
		{"many PAX records", special(tar.TypeXHeader, strings.Repeat(record("a", "b"), mib/4)), nil, limit.Limits{}, ErrMalformed},
		{"PAX headers without end", nil, special(tar.TypeXHeader, record("comment", strings.Repeat("x", mib/2))), limit.Limits{UnpackedBytes: 64 * mib}, limit.ErrExceeded},
		{"global PAX headers without end", nil, special(tar.TypeXGlobalHeader, record("comment", "x")), limit.Limits{Entries: 1000}, limit.ErrExceeded},
		{"a PAX path too long", append(special(tar.TypeXHeader, record("path", strings.Repeat("d/", mib/4)+"package.json")), sealed(header("x", tar.TypeReg, 0))...), nil,
			limit.Limits{}, limit.ErrExceeded},
		{"a PAX size that lies", append(special(tar.TypeXHeader, record("size", "9223372036854775807")), sealed(header("package.json", tar.TypeReg, 0))...), nil,
			limit.Limits{}, limit.ErrExceeded},
		{"a negative PAX size", append(special(tar.TypeXHeader, record("size", "-1")), sealed(header("package.json", tar.TypeReg, 0))...), nil, limit.Limits{}, ErrMalformed},
		{"a GNU long name too long", special(tar.TypeGNULongName, strings.Repeat("x", 2*mib)), nil, limit.Limits{}, ErrMalformed},
		{"a GNU long name of which the end is far", sealed(header("x", tar.TypeGNULongName, 8<<30-1)), make([]byte, 512), limit.Limits{}, ErrMalformed},
		{"GNU long names without end", nil, special(tar.TypeGNULongName, strings.Repeat("x", mib/2)), limit.Limits{UnpackedBytes: 64 * mib}, limit.ErrExceeded},
		{"GNU long links without end", nil, special(tar.TypeGNULongLink, "x"), limit.Limits{UnpackedBytes: 8 * mib}, limit.ErrExceeded},
		{"an old sparse map without end", oldSparse("a.jar", mib, 5000), nil, limit.Limits{}, ErrMalformed},
		{"old sparse files of 4 MiB", nil, oldSparse("a.jar", 4*mib, 0), limit.Limits{KeptBytes: 16 * mib}, limit.ErrExceeded},
		{"an old sparse file of 7 EiB", oldSparse("package.json", 7<<60, 0), nil, limit.Limits{}, limit.ErrExceeded},
		{"sparse files of format 0.0", nil, sparsePAX("", one, record("GNU.sparse.numblocks", "1"), record("GNU.sparse.offset", strconv.Itoa(4*mib)), record("GNU.sparse.numbytes", "0")),
			limit.Limits{KeptBytes: 16 * mib}, limit.ErrExceeded},
		{"sparse files of format 0.1", nil, sparsePAX("", one, record("GNU.sparse.numblocks", "1"), record("GNU.sparse.map", fmt.Sprint(4*mib, ",0"))), limit.Limits{KeptBytes: 16 * mib}, limit.ErrExceeded},
		{"sparse files of format 1.0", nil, sparsePAX(string(padded(fmt.Sprint("1\n", 4*mib, "\n0\n"))), one, record("GNU.sparse.major", "1"), record("GNU.sparse.minor", "0")),
			limit.Limits{KeptBytes: 16 * mib}, limit.ErrExceeded},
		{"a map of format 0.1 that is shorter than it says", sparsePAX("", one, record("GNU.sparse.numblocks", "9223372036854775807"), record("GNU.sparse.map", "0,0")), nil,
			limit.Limits{}, ErrMalformed},
		{"a map of format 1.0 without end", append(sparsePAX("", one, record("GNU.sparse.major", "1"), record("GNU.sparse.minor", "0"), record("size", strconv.Itoa(1<<40))), padded("1000000000\n")...),
			bytes.Repeat([]byte("1\n"), 256), limit.Limits{}, ErrMalformed},
		{"a map of format 1.0 of digits", append(sparsePAX("", one, record("GNU.sparse.major", "1"), record("GNU.sparse.minor", "0"), record("size", strconv.Itoa(1<<40))), nil...),
			bytes.Repeat([]byte("1"), 512), limit.Limits{}, ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := &repeating{first: tt.head, again: tt.again}
			limits := tt.limits
			limits.LayerBytes = 256 << 20
			w := newWalk(all.Analyzers(), limits.WithDefaults(), New(nil, limits).memory)
			err := w.run(t.Context(), limit.Reader(body, "unpacked_bytes", limits.WithDefaults().UnpackedBytes))
			if tt.want == ErrMalformed && err != nil && !errors.Is(err, limit.ErrExceeded) {
				err = fmt.Errorf("%w: %w", ErrMalformed, err) // as unpack says it
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// repeating is a first text and then another one without end, unless it is empty.
type repeating struct {
	first, again []byte
	at           int
}

func (r *repeating) Read(p []byte) (int, error) {
	if len(r.first) == 0 {
		if len(r.again) == 0 {
			return 0, io.EOF
		}
		n := copy(p, r.again[r.at:])
		r.at = (r.at + n) % len(r.again)
		return n, nil
	}
	n := copy(p, r.first)
	r.first = r.first[n:]
	return n, nil
}

var _ analyze.Streamer = streamer{}

// streamer is an analyzer that reads everything of every file, as a stream.
type streamer struct{}

func (streamer) Name() string               { return "streamer" }
func (streamer) Version() int               { return 1 }
func (streamer) Streams() bool              { return true }
func (streamer) Required(analyze.File) bool { return true }
func (streamer) Begin() analyze.Run         { return streamer{} }
func (streamer) Read(_ analyze.File, body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}
func (streamer) Result() analyze.Result { return analyze.Result{} }

// TestHolesCount reads what a tar of one block makes of itself.
func TestHolesCount(t *testing.T) {
	t.Parallel()
	raw := oldSparse("big", 1<<40, 0)
	_, err := New([]analyze.Analyzer{streamer{}}, limit.Limits{}).Analyze(t.Context(), Blob{Digest: digest(raw), Body: bytes.NewReader(raw)})
	var exceeded *limit.Error
	if !errors.As(err, &exceeded) || exceeded.Name != "kept_bytes" {
		t.Errorf("got %v, want the limit kept_bytes", err)
	}
}
