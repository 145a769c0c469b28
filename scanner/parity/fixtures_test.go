package parity_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
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

// TestFixtureImages runs Trivy and ours on the images of the fixtures.
func TestFixtureImages(t *testing.T) {
	t.Parallel()
	_ = trivy(t)
	folder := fixtures(t)
	dir := fixtureDB(t, folder)
	peers := newPair(t, dir, filepath.Join(folder, "javadb"))
	images := filepath.Join(folder, "images")
	l, err := layout.FromPath(images)
	if err != nil {
		t.Fatal(err)
	}
	index, err := l.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		image := m.Annotations["org.opencontainers.image.ref.name"]
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			lines := peers.compare(t, subject{scheme: "oci:", path: images + ":" + image})
			for range 4 {
				// In one of this image's layers two files tell the release. Which one
				// Trivy goes by is chance; once in eight runs or so it is the other.
				if !strings.HasPrefix(image, "meta/ubi:") || len(lines) != 2 || lines[0] != "- os redhat 8.1" {
					break
				}
				lines = peers.compare(t, subject{scheme: "oci:", path: images + ":" + image})
			}
			if strings.HasPrefix(image, "meta/fedora:") {
				// Trivy reports no packages of Fedora, as DIFFERENCES.md says.
				lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "+ package os ") })
			}
			if len(lines) > 0 {
				t.Errorf("(-trivy +ours):\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}

// fixtureDB returns a folder with the database of the fixtures, unpacked.
func fixtureDB(t *testing.T, fixtures string) string {
	t.Helper()
	if path := os.Getenv("FIXTURES_DB"); path != "" {
		return filepath.Dir(path)
	}
	dir := t.TempDir()
	if err := unpack(filepath.Join(fixtures, "vulndb"), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func unpack(folder, dir string) error {
	packed, err := os.Open(filepath.Join(folder, "trivy.db.zst"))
	if err != nil {
		return err
	}
	defer packed.Close()
	plain, err := zstd.NewReader(packed)
	if err != nil {
		return err
	}
	defer plain.Close()
	db, err := os.Create(filepath.Join(dir, "trivy.db"))
	if err != nil {
		return err
	}
	_, err = io.Copy(db, plain)
	metadata, missing := os.ReadFile(filepath.Join(folder, vulndb.MetadataFile))
	return errors.Join(err, db.Close(), missing, os.WriteFile(filepath.Join(dir, vulndb.MetadataFile), metadata, 0o600))
}
