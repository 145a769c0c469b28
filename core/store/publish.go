package store

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
)

// publish puts records into the feed within tx when this cluster is a primary,
// and does nothing otherwise: what a standalone or managed cluster keeps is its own.
// A record whose content the feed already holds costs no revision, so callers
// may publish what they are not sure has changed.
func (s *Store) publish(tx *sql.Tx, records ...feed.Record) error {
	if len(records) == 0 {
		return nil
	}
	role, err := clusterRole(tx)
	if err != nil || role != model.Primary {
		return err
	}
	out := make([]syncer.Record, len(records))
	for i, r := range records {
		if r.Payload == nil {
			out[i] = syncer.Tombstone(r.Scope, string(r.Kind), r.Key)
			continue
		}
		out[i] = syncer.NewRecord(r.Scope, string(r.Kind), r.Key, r.Payload)
	}
	_, err = s.writeFeed(tx, feed.Priority(), out)
	return err
}

// writeFeed makes each record that differs from what the feed holds the latest
// change of its key, and returns the last revision given so far.
func (s *Store) writeFeed(tx *sql.Tx, priority syncer.Priority, records []syncer.Record) (uint64, error) {
	var revision uint64
	if err := tx.QueryRow(`SELECT revision FROM feed_state`).Scan(&revision); err != nil {
		return 0, fmt.Errorf("store: read the feed's revision: %w", err)
	}
	before := revision
	changes := map[syncer.Stream][]syncer.Entry{}
	for _, r := range records {
		stream := priority.Stream(r.Scope, r.Kind)
		r.Revision = revision + 1
		changed, err := s.putFeedRecord(tx, stream, r)
		if err != nil {
			return 0, err
		}
		if changed {
			revision++
			changes[stream] = append(changes[stream], r.Entry())
		}
	}
	if revision == before {
		return revision, nil
	}
	if _, err := tx.Exec(`UPDATE feed_state SET revision = ?`, revision); err != nil {
		return 0, fmt.Errorf("store: write the feed's revision: %w", err)
	}
	for stream, entries := range changes {
		if err := s.moveHead(tx, stream, entries); err != nil {
			return 0, err
		}
	}
	s.feed.written.Store(true)
	return revision, nil
}

// putFeedRecord writes one record unless the feed holds the same content.
func (s *Store) putFeedRecord(tx *sql.Tx, stream syncer.Stream, r syncer.Record) (changed bool, err error) {
	if err := r.Verify(); err != nil {
		return false, err
	}
	id, err := openStream(tx, stream)
	if err != nil {
		return false, err
	}
	path := r.Path()
	rows, err := tx.Query(`SELECT hash FROM feed_records WHERE stream = ? AND path = ?`, id, path[:])
	if err != nil {
		return false, fmt.Errorf("store: read %s %s of the feed: %w", r.Kind, r.Key, err)
	}
	old, err := collect(rows, func(rows *sql.Rows) (syncer.Hash, error) {
		var b []byte
		err := rows.Scan(&b)
		return scanHash(b), err
	})
	if err != nil {
		return false, fmt.Errorf("store: read %s %s of the feed: %w", r.Kind, r.Key, err)
	}
	if slices.Contains(old, r.Hash) || (len(old) == 0 && r.Deleted()) {
		return false, nil
	}
	body, packed := s.feed.codec.pack(r.Payload)
	deletedAt := int64(0)
	if r.Deleted() {
		deletedAt = s.now().UnixMilli()
	}
	_, err = tx.Exec(`INSERT INTO feed_records (stream, path, kind, name, hash, payload, packed, revision, deleted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (stream, path) DO UPDATE SET hash = excluded.hash, payload = excluded.payload, packed = excluded.packed,
		revision = excluded.revision, deleted_at = excluded.deleted_at`,
		id, path[:], r.Kind, r.Key, hashValue(r.Hash), body, packed, r.Revision, deletedAt)
	if err != nil {
		return false, fmt.Errorf("store: publish %s %s: %w", r.Kind, r.Key, err)
	}
	if _, err := tx.Exec(`UPDATE feed_streams SET revision = ? WHERE id = ?`, r.Revision, id); err != nil {
		return false, fmt.Errorf("store: move the head of %s: %w", stream, err)
	}
	return true, nil
}

func (s *Store) moveHead(tx *sql.Tx, stream syncer.Stream, entries []syncer.Entry) error {
	id, err := openStream(tx, stream)
	if err != nil {
		return err
	}
	root, err := syncer.UpdateTree(feedTree{tx, id}, entries)
	if err != nil {
		return fmt.Errorf("store: update the tree of %s: %w", stream, err)
	}
	if _, err := tx.Exec(`UPDATE feed_streams SET root = ? WHERE id = ?`, hashValue(root), id); err != nil {
		return fmt.Errorf("store: write the root of %s: %w", stream, err)
	}
	return nil
}

// collect reads all rows with scan and closes them.
func collect[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) ([]T, error) {
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
