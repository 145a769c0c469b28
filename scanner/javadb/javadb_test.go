package javadb_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-sec/muster/scanner/analyze/jar"
	"github.com/muster-sec/muster/scanner/javadb"
)

// database writes a small database of schema 1 and returns its file.
func database(t *testing.T, statements ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "with blank?#%.db")
	// The name has marks that a connection string would read: write elsewhere.
	plain := filepath.Join(t.TempDir(), "plain.db")
	db, err := sql.Open("sqlite", plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(plain, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func schema() []string {
	return []string{
		`CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)`,
		`CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT)`,
	}
}

func TestDB(t *testing.T) {
	t.Parallel()
	file := database(t, append(schema(),
		`INSERT INTO artifacts VALUES (1, 'jstl', 'jstl'), (2, 'javax.servlet', 'jstl'), (3, 'nobody', 'nothing')`,
		`INSERT INTO indices VALUES (1, '1.2', x'`+"00112233445566778899aabbccddeeff00112233"+`', 'jar'), (1, '1.0', x'01', 'jar'),
			(2, '1.2', x'02', 'jar'), (2, '1.3', x'03', 'aar')`)...)
	db, err := javadb.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for name, want := range map[[2]string]bool{{"jstl", "jstl"}: true, {"nobody", "nothing"}: false, {"x", "jstl"}: false} {
		if got, err := db.Exists(name[0], name[1]); err != nil || got != want {
			t.Errorf("%v exists: %v, %v", name, got, err)
		}
	}
	sum := []byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0, 0x11, 0x22, 0x33}
	if a, ok, err := db.BySHA1(sum); err != nil || !ok || a != (jar.Artifact{GroupID: "jstl", ArtifactID: "jstl", Version: "1.2"}) {
		t.Errorf("by SHA-1: %+v %v %v", a, ok, err)
	}
	if _, ok, err := db.BySHA1(bytes.Repeat([]byte{7}, 20)); err != nil || ok {
		t.Errorf("an unknown SHA-1: %v %v", ok, err)
	}
	// Both groups published twice: the name decides.
	if group, ok, err := db.GroupOf("jstl", "1.2"); err != nil || !ok || group != "javax.servlet" {
		t.Errorf("group %q %v %v", group, ok, err)
	}
	if group, ok, err := db.GroupOf("jstl", "1.0"); err != nil || !ok || group != "jstl" {
		t.Errorf("group %q %v %v", group, ok, err)
	}
	if _, ok, err := db.GroupOf("jstl", "1.3"); err != nil || ok {
		t.Errorf("no jar of this version: %v %v", ok, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	if _, err := javadb.Open(t.Context(), database(t, schema()[0])); !errors.Is(err, javadb.ErrSchema) {
		t.Errorf("a table is missing: %v", err)
	}
	if _, err := javadb.Open(t.Context(), filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file is opened")
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("x"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := javadb.Open(t.Context(), garbage); err == nil {
		t.Error("garbage is opened")
	}
}
