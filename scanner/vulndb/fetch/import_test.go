package fetch_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

func TestImport(t *testing.T) {
	t.Parallel()
	db, metadata := files(t, day(20))
	zip := func(data []byte) []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll(data, nil)
	}
	zipped := func(data []byte) []byte {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		if _, err := z.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	for name, c := range map[string]struct {
		content []byte
		beside  bool
		dated   bool
		want    error
	}{
		"plain":                {content: db, beside: true, dated: true},
		"without metadata":     {content: db},
		"zstd":                 {content: zip(db), beside: true, dated: true},
		"gzip":                 {content: zipped(db), beside: true, dated: true},
		"archive":              {content: archive(t, entry{"trivy.db", db}, entry{"metadata.json", metadata}), dated: true},
		"archive without date": {content: archive(t, entry{"trivy.db", db}), beside: true, dated: true},
		"empty":                {want: vulndb.ErrCorrupt},
		"half":                 {content: db[:len(db)/2], want: vulndb.ErrCorrupt},
		"half of zstd":         {content: zip(db)[:500], want: io.ErrUnexpectedEOF},
		"zstd of nothing":      {content: zip([]byte("hello")), want: vulndb.ErrCorrupt},
		"archive of others":    {content: archive(t, entry{"x", db}), want: fetch.ErrArtifact},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, dir := t.TempDir(), t.TempDir()
			file := filepath.Join(from, "file")
			if err := os.WriteFile(file, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.beside {
				if err := os.WriteFile(filepath.Join(from, vulndb.MetadataFile), metadata, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			u := updater(t, dir, fetch.Options{})
			r, err := u.Import(t.Context(), file, false)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err == nil && (r.Metadata.UpdatedAt.Equal(day(20)) != c.dated || r.Source.File != "file") {
				t.Errorf("%+v", r)
			}
		})
	}
	if _, err := updater(t, t.TempDir(), fetch.Options{}).Import(t.Context(), "none", false); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// FuzzImport offers any bytes.
func FuzzImport(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add(archive(f, entry{"trivy.db", []byte("x")}, entry{"metadata.json", []byte("{}")}))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		u := updater(t, dir, fetch.Options{MaxBytes: 1 << 20})
		if r, err := u.Import(t.Context(), file, false); err == nil && r.Revision == "" {
			t.Error("a database without a revision")
		}
	})
}
