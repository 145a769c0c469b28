package limit

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		text string
		max  int64
		want string
		over bool
	}{
		{"less", "abc", 4, "abc", false},
		{"exactly", "abcd", 4, "abcd", false},
		{"one more", "abcde", 4, "abcd", true},
		{"much more", strings.Repeat("x", 10_000), 4, "xxxx", true},
		{"empty", "", 0, "", false},
		{"nothing allowed", "a", 0, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for how, r := range map[string]io.Reader{
				"whole":    strings.NewReader(tt.text),
				"by bytes": iotest.OneByteReader(strings.NewReader(tt.text)),
				"data+EOF": iotest.DataErrReader(strings.NewReader(tt.text)),
			} {
				got, err := ReadAll(r, "some_bytes", tt.max)
				if string(got) != tt.want {
					t.Errorf("%s: read %.20q, want %q", how, got, tt.want)
				}
				var e *Error
				if errors.As(err, &e) != tt.over || errors.Is(err, ErrExceeded) != tt.over {
					t.Errorf("%s: error %v, exceeded should be %v", how, err, tt.over)
				}
				if tt.over && (e.Name != "some_bytes" || e.Max != tt.max || e.Seen <= e.Max) {
					t.Errorf("%s: error says %+v", how, e)
				}
			}
		})
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	if _, err := ReadAll(iotest.ErrReader(boom), "x", 10); !errors.Is(err, boom) {
		t.Errorf("got %v, want the source's error", err)
	}
}

func TestWithDefaults(t *testing.T) {
	t.Parallel()
	if got := (Limits{}).WithDefaults(); got != Defaults() {
		t.Errorf("zero limits become %+v", got)
	}
	got := Limits{Layers: 3, Ratio: -1}.WithDefaults()
	if got.Layers != 3 || got.Ratio != Defaults().Ratio {
		t.Errorf("layers %d, ratio %d", got.Layers, got.Ratio)
	}
}

func TestZipEntries(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := range 300 {
		if _, err := w.Create(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	// What looks like entries in a file's content does not count.
	f, err := w.CreateHeader(&zip.FileHeader{Name: "nested.zip", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Repeat([]byte("PK\x01\x02"), 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ZipEntries(buf.Bytes()); got != 301 {
		t.Errorf("%d entries, want 301", got)
	}
	// A directory that says it is elsewhere hides nothing.
	lying := buf.Bytes()
	copy(lying[len(lying)-6:], "\xff\xff\xff\x7f")
	if got := ZipEntries(lying); got < 301 {
		t.Errorf("%d entries of a lying directory", got)
	}
	if got := ZipEntries(nil); got != 0 {
		t.Errorf("%d entries of nothing", got)
	}
}

func FuzzZipEntries(f *testing.F) {
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err == nil && int64(len(r.File)) > ZipEntries(data) {
			t.Errorf("%d entries were promised, %d read", ZipEntries(data), len(r.File))
		}
	})
}
