package bench

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/klauspost/compress/zstd"
	_ "modernc.org/sqlite" // the driver behind database/sql

	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// unpackDB unpacks the compressed DB of the fixtures.
func unpackDB(b *testing.B, fixtures string) string {
	b.Helper()
	dir := b.TempDir()
	copyFile(b, filepath.Join(fixtures, "vulndb", "metadata.json"), filepath.Join(dir, "metadata.json"))
	packed, err := os.Open(filepath.Join(fixtures, "vulndb", "trivy.db.zst"))
	if err != nil {
		b.Fatal(err)
	}
	defer packed.Close()
	z, err := zstd.NewReader(packed)
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	db, err := os.Create(filepath.Join(dir, "trivy.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := io.Copy(db, z); err != nil {
		b.Fatal(err)
	}
	return db.Name()
}

// madeDB knows something of every package of the images that are made by code.
func madeDB(b *testing.B) string {
	b.Helper()
	now := time.Now()
	c := build.Content{
		UpdatedAt: now, NextUpdate: now.Add(24 * time.Hour), Details: map[string]vulndb.Detail{},
		Sources: map[string]types.DataSource{"debian 12": {ID: "debian", Name: "Debian Security Tracker"}},
	}
	for i := range debianPackages {
		for n := range 5 {
			id := fmt.Sprintf("CVE-2026-%d", 10_000+i*5+n)
			c.Advisories = append(c.Advisories, build.Advisory{
				Bucket: "debian 12", Package: packageName(i), ID: id, Advisory: vulndb.Advisory{FixedVersion: fmt.Sprintf("1.%d-1", n)},
			})
			c.Details[id] = vulndb.Detail{Title: "a title", Severity: types.SeverityHigh.String()}
		}
	}
	path, err := build.Write(b.TempDir(), c)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// madeJavaDB knows no archive; Trivy does not start without one.
func madeJavaDB(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	file := filepath.Join(dir, "trivy-java.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		b.Fatal(err)
	}
	for _, statement := range []string{
		`CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)`,
		`CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT)`,
		`CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id)`,
		`CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1)`,
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	now := time.Now().UTC()
	metadata, err := json.Marshal(vulndb.Metadata{Version: 1, UpdatedAt: now, NextUpdate: now.Add(24 * time.Hour), DownloadedAt: now})
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "metadata.json"), metadata, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}
