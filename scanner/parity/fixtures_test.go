package parity_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// fixtures returns the folder that FIXTURES names, or skips.
func fixtures(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("FIXTURES")
	if folder == "" {
		t.Skip("SKIP: FIXTURES not set")
	}
	return folder
}

// unpacked is the database of the fixtures, unpacked once for all tests.
type unpacked struct {
	once sync.Once
	dir  string
	err  error
}

func (u *unpacked) folder(t *testing.T, fixtures string) string {
	t.Helper()
	u.once.Do(func() { u.dir, u.err = unpack(filepath.Join(fixtures, "vulndb")) })
	if u.err != nil {
		t.Fatal(u.err)
	}
	return u.dir
}

func unpack(folder string) (dir string, err error) {
	if path := os.Getenv("FIXTURES_DB"); path != "" {
		return filepath.Dir(path), nil
	}
	packed, err := os.Open(filepath.Join(folder, "trivy.db.zst"))
	if err != nil {
		return "", err
	}
	defer packed.Close()
	plain, err := zstd.NewReader(packed)
	if err != nil {
		return "", err
	}
	defer plain.Close()
	if dir, err = os.MkdirTemp("", "parity"); err != nil {
		return "", err
	}
	db, err := os.Create(filepath.Join(dir, "trivy.db"))
	if err != nil {
		return dir, err
	}
	_, err = io.Copy(db, plain)
	metadata, missing := os.ReadFile(filepath.Join(folder, vulndb.MetadataFile))
	return dir, errors.Join(err, db.Close(), missing, os.WriteFile(filepath.Join(dir, vulndb.MetadataFile), metadata, 0o600))
}
