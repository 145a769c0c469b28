// Package store keeps everything that is true in SQL: SQLite by default, in
// statements that PostgreSQL would also take. One writer commits in groups with
// synchronous=FULL, so a call that returned is on the disk; readers see
// snapshots and never wait for the writer. Each file holds the tables of one
// service and satisfies the interfaces that service declares.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/muster-sec/muster/core/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is an open database. All methods are safe for concurrent use.
type Store struct {
	reads  *sql.DB
	writes *sql.DB
	queue  chan write
	done   chan struct{}
	now    func() time.Time
	feed   *feedState
	sealer Sealer
}

// Options set up a store.
type Options struct {
	Path   string           // of the database file; its folder exists
	Now    func() time.Time // the clock; time.Now when nil
	Sealer Sealer           // for credentials; without one the store refuses to keep any
}

// Sealer encrypts what must not lie readable in the database file or in a
// backup of it. Open of what Seal returned gives the plain bytes back.
type Sealer interface {
	Seal(plain []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)
}

// Open opens the database, brings its schema up to date and starts the writer.
// Close it.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := keepPrivate(o.Path); err != nil {
		return nil, err
	}
	writes, err := openDB(o.Path, "immediate", 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, writes); err != nil {
		return nil, errors.Join(err, writes.Close())
	}
	reads, err := openDB(o.Path, "deferred", 8)
	if err != nil {
		return nil, errors.Join(err, writes.Close())
	}
	state, err := newFeedState(ctx, writes)
	if err != nil {
		return nil, errors.Join(err, writes.Close(), reads.Close())
	}
	s := &Store{
		reads: reads, writes: writes, queue: make(chan write), done: make(chan struct{}),
		now: o.Now, feed: state, sealer: o.Sealer,
	}
	go s.writeLoop()
	return s, nil
}

// Close waits for writes under way and closes the database. No other call may
// follow or be in flight.
func (s *Store) Close() error {
	close(s.queue)
	<-s.done
	return errors.Join(s.reads.Close(), s.writes.Close())
}

// keepPrivate makes the database file, or finds it, readable by its owner alone:
// it holds hashes of passwords. SQLite gives its other files the same mode.
func keepPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("store: open %s: %w", path, err)
	}
	err = f.Close()
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if chmod := os.Chmod(name, 0o600); chmod != nil && !errors.Is(chmod, fs.ErrNotExist) {
			err = errors.Join(err, chmod)
		}
	}
	if err != nil {
		return fmt.Errorf("store: keep %s private: %w", path, err)
	}
	return nil
}

func openDB(path, txlock string, conns int) (*sql.DB, error) {
	q := url.Values{"_txlock": {txlock}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"cache_size(-32000)", "temp_store(MEMORY)",
	}}
	dsn := (&url.URL{Scheme: "file", Opaque: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// migrate runs, in order, the migrations that the database has not seen, each
// in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`); err != nil {
		return fmt.Errorf("store: read the schema: %w", err)
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("store: list migrations: %w", err)
	}
	slices.Sort(names)
	seen, err := appliedMigrations(ctx, db)
	if err != nil {
		return err
	}
	for _, name := range names {
		base := strings.TrimSuffix(filepath.Base(name), ".sql")
		if seen[base] {
			delete(seen, base)
			continue
		}
		if err := applyMigration(ctx, db, name, base); err != nil {
			return err
		}
	}
	for base := range seen {
		return fault.New(fault.Conflict, "store: the database has migration %s, which this version does not know", base).
			WithHint("run the newer muster that wrote it, or restore a backup made by this version")
	}
	return nil
}

func appliedMigrations(ctx context.Context, db *sql.DB) (map[string]bool, error) {
	rows, err := db.QueryContext(ctx, `SELECT name FROM migrations`)
	if err != nil {
		return nil, fmt.Errorf("store: read migrations: %w", err)
	}
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("store: read migrations: %w", err)
		}
		seen[name] = true
	}
	return seen, rows.Err()
}

func applyMigration(ctx context.Context, db *sql.DB, name, base string) error {
	body, err := migrations.ReadFile(name)
	if err != nil {
		return fmt.Errorf("store: read migration %s: %w", base, err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store: migration %s: %w", base, err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it is a no-op
	if _, err := tx.ExecContext(ctx, string(body)); err != nil {
		return fmt.Errorf("store: migration %s: %w", base, err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO migrations (name) VALUES (?)`, base); err != nil {
		return fmt.Errorf("store: migration %s: %w", base, err)
	}
	return tx.Commit()
}
