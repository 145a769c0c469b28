// Package javadb reads trivy-java-db (schema 1), a SQLite file that knows the
// archives of Maven's central repository by their SHA-1. Many jars do not say
// which artifact they are; this does.
package javadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the driver behind database/sql

	"github.com/muster-sec/muster/scanner/analyze/jar"
)

// ErrSchema says that a file is not a database of schema 1.
var ErrSchema = errors.New("javadb: not a Java database of schema 1")

// DB is an open database. It is safe for concurrent use.
type DB struct{ sql *sql.DB }

var _ jar.Index = (*DB)(nil)

// Open opens the file at path, which must not change while it is open: a new
// database takes the place of the old by a rename. The caller closes it.
func Open(ctx context.Context, path string) (*DB, error) {
	// The file is opened by name only: blanks and marks in it are escaped.
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=ro&immutable=1"}).String()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("javadb: open %s: %w", path, err)
	}
	var tables int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('artifacts', 'indices')`).Scan(&tables)
	if err == nil && tables != 2 {
		err = ErrSchema
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("javadb: open %s: %w", path, err), db.Close())
	}
	return &DB{sql: db}, nil
}

// Close releases the file.
func (db *DB) Close() error { return db.sql.Close() }

// Exists implements jar.Index.
func (db *DB) Exists(groupID, artifactID string) (bool, error) {
	const query = `SELECT 1 FROM artifacts a JOIN indices i ON i.artifact_id = a.id
		WHERE a.group_id = ? AND a.artifact_id = ? LIMIT 1`
	var one int
	err := db.sql.QueryRow(query, groupID, artifactID).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("javadb: look up artifact: %w", err)
	}
	return true, nil
}

// BySHA1 implements jar.Index.
func (db *DB) BySHA1(sum []byte) (jar.Artifact, bool, error) {
	const query = `SELECT a.group_id, a.artifact_id, i.version FROM indices i JOIN artifacts a ON a.id = i.artifact_id
		WHERE i.sha1 = ?`
	var a jar.Artifact
	err := db.sql.QueryRow(query, sum).Scan(&a.GroupID, &a.ArtifactID, &a.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return jar.Artifact{}, false, nil
	}
	if err != nil {
		return jar.Artifact{}, false, fmt.Errorf("javadb: look up checksum: %w", err)
	}
	return a, true, nil
}

// GroupOf implements jar.Index: of several groups that have published the
// artifact in this version, the one that published it most often in any version,
// by name among equals.
func (db *DB) GroupOf(artifactID, version string) (string, bool, error) {
	const query = `SELECT a.group_id FROM artifacts a JOIN indices i ON i.artifact_id = a.id
		WHERE a.artifact_id = ? AND EXISTS (
			SELECT 1 FROM indices v WHERE v.artifact_id = a.id AND v.version = ? AND v.archive_type = 'jar')
		GROUP BY a.group_id ORDER BY count(*) DESC, a.group_id LIMIT 1`
	var group string
	err := db.sql.QueryRow(query, artifactID, version).Scan(&group)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("javadb: look up group: %w", err)
	}
	return group, true, nil
}
