package scanner_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/javadb"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/parity"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// TestAgreesWithTrivy compares packages and findings with what Trivy reports for
// the same images and the same database. It needs a folder of fixtures:
// images/ (an OCI layout), expected/NAME.json.gz (Trivy's reports) and
// vulndb/trivy.db.zst; FIXTURES_DB may name the database unpacked.
func TestAgreesWithTrivy(t *testing.T) {
	t.Parallel()
	folder := fixtures(t)
	db := fixtureDB(t, folder)
	m := match.New(db)
	index, err := javadb.Open(t.Context(), filepath.Join(folder, "javadb", "trivy-java.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	s, err := scanner.New(scanner.Options{Cache: scanner.NewMemoryCache(), Analyzers: all.WithIndex(index)})
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{
		"apps/billing:1.0",
		"apps/composer:1.0",
		"apps/rails:bullseye",
		"apps/tomcat:bullseye",
		"base/alpine:3.16-multi",
		"base/alpine:3.17",
		"base/alpine:3.9",
		"base/debian:bookworm-slim",
		"base/debian:bullseye-slim",
		"data/django-venv:2021",
		"data/django:bullseye",
		"infra/gotools:2021",
		"meta/alma-hybrid:8",
		"meta/centos:7",
		"meta/mariner:2.0",
		"meta/ubuntu:18.04",
		"shop/legacy-admin:0.9.0",
		"shop/web:1.4.2",
		"shop/web:1.4.2-bookworm",
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			results, err := s.Scan(context.Background(), "oci:"+filepath.Join(folder, "images")+":"+image, pull.Options{}, m)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != 1 {
				t.Fatalf("got %d results, want 1", len(results))
			}
			for _, p := range results[0].Problems {
				t.Logf("problem: %+v", p)
			}
			want, got := readExpected(t, folder, image), results[0]
			if differing := parity.Compare(parity.OfTrivy(want), parity.OfScan(got)); len(differing) > 0 {
				t.Errorf("differs from Trivy's report (-trivy +ours):\n%s", strings.Join(differing, "\n"))
			}
			if want.Metadata.ImageID != got.Image.ImageID {
				t.Errorf("image id %s, want %s", got.Image.ImageID, want.Metadata.ImageID)
			}
		})
	}
}

// fixtures returns the folder named by FIXTURES, or skips, or fails in strict CI.
func fixtures(tb testing.TB) string {
	tb.Helper()
	folder := os.Getenv("FIXTURES")
	if folder == "" && os.Getenv("CI_STRICT") == "1" {
		tb.Fatal("FIXTURES not set")
	}
	if folder == "" {
		tb.Skip("SKIP: FIXTURES not set")
	}
	return folder
}

func fixtureDB(tb testing.TB, folder string) *vulndb.DB {
	tb.Helper()
	path := os.Getenv("FIXTURES_DB")
	if path == "" {
		path = unpackDB(tb, filepath.Join(folder, "vulndb"))
	}
	db, err := vulndb.Open(path)
	if err != nil {
		tb.Fatalf("open the database of the fixtures: %v", err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// unpackDB unpacks the database of a folder, with its metadata, and gives its path.
func unpackDB(tb testing.TB, folder string) string {
	tb.Helper()
	packed, err := os.Open(filepath.Join(folder, "trivy.db.zst"))
	if err != nil {
		tb.Fatal(err)
	}
	defer packed.Close()
	plain, err := zstd.NewReader(packed)
	if err != nil {
		tb.Fatal(err)
	}
	defer plain.Close()
	dir := tb.TempDir()
	db, err := os.Create(filepath.Join(dir, "trivy.db"))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(db, plain); err != nil {
		tb.Fatal(err)
	}
	metadata, err := os.ReadFile(filepath.Join(folder, vulndb.MetadataFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, vulndb.MetadataFile), metadata, 0o600)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		tb.Fatal(err)
	}
	return db.Name()
}

func readExpected(t *testing.T, folder, image string) parity.Report {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, "expected", strings.NewReplacer("/", "_", ":", "_").Replace(image)+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var r parity.Report
	if err := json.NewDecoder(z).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}
