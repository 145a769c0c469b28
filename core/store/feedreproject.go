package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/syncer"
)

// projection is the version of what project does. Raise it whenever project
// learns a kind, or writes one differently, or when a copy may have lost rows:
// copies are then projected anew.
const projection = "2"

const (
	projectionName = "feed_projection" // the row of table meta that holds the version in use
	projectAtOnce  = 500
)

// Reproject projects the whole copy of the feed again when it was last projected
// by a version that did it differently. It works in small transactions and may be
// repeated after a crash.
func (r *Replica) Reproject(ctx context.Context) error {
	var last string
	err := r.s.reads.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, projectionName).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("store: read the version of the projection: %w", err)
	}
	if last == projection {
		return nil
	}
	for at := (feedPlace{path: []byte{}}); ; {
		var n int
		err := r.s.write(ctx, func(tx *sql.Tx) (err error) {
			n, at, err = r.reprojectAfter(tx, at)
			return err
		})
		if err != nil {
			return fmt.Errorf("store: project the feed again: %w", err)
		}
		if n < projectAtOnce {
			break
		}
	}
	return r.s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, projectionName, projection)
		if err != nil {
			return fmt.Errorf("store: write the version of the projection: %w", err)
		}
		return nil
	})
}

// feedPlace is the place of a record among all.
type feedPlace struct {
	stream int64
	path   []byte
}

func (r *Replica) reprojectAfter(tx *sql.Tx, at feedPlace) (int, feedPlace, error) {
	rows, err := tx.Query(`SELECT stream, path, `+recordColumns+` FROM feed_records
		WHERE stream > ? OR (stream = ? AND path > ?) ORDER BY stream, path LIMIT ?`, at.stream, at.stream, at.path, projectAtOnce)
	if err != nil {
		return 0, at, err
	}
	records, err := collect(rows, func(rows *sql.Rows) (syncer.Record, error) {
		return r.s.feed.codec.scanRecord("", func(dest ...any) error {
			return rows.Scan(append([]any{&at.stream, &at.path}, dest...)...)
		})
	})
	if err != nil {
		return 0, at, err
	}
	for _, record := range records {
		if err := r.s.feed.codec.project(tx, record, nil); err != nil {
			return 0, at, err
		}
	}
	return len(records), at, nil
}
