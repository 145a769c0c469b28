package store

import (
	"database/sql"
	"errors"
	"fmt"

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
	streams := map[syncer.Stream]*feedEnd{}
	for _, r := range records {
		end, err := openEnd(tx, streams, priority.Stream(r.Scope, r.Kind))
		if err != nil {
			return 0, err
		}
		r.Revision = revision + 1
		changed, err := s.putFeedRecord(tx, end.id, r)
		if err != nil {
			return 0, err
		}
		if changed {
			revision++
			end.revision, end.changes = revision, append(end.changes, r.Entry())
		}
	}
	if revision == before {
		return revision, nil
	}
	if _, err := tx.Exec(`UPDATE feed_state SET revision = ?`, revision); err != nil {
		return 0, fmt.Errorf("store: write the feed's revision: %w", err)
	}
	for stream, end := range streams {
		if err := end.move(tx, s.feed); err != nil {
			return 0, fmt.Errorf("store: move the head of %s: %w", stream, err)
		}
	}
	s.feed.written.Store(true)
	return revision, nil
}

// feedEnd is where a stream is being written.
type feedEnd struct {
	id       int64
	revision uint64
	changes  []syncer.Entry
}

func openEnd(tx *sql.Tx, streams map[syncer.Stream]*feedEnd, stream syncer.Stream) (*feedEnd, error) {
	if end, ok := streams[stream]; ok {
		return end, nil
	}
	id, err := openStream(tx, stream)
	if err != nil {
		return nil, err
	}
	streams[stream] = &feedEnd{id: id}
	return streams[stream], nil
}

// move brings the tree and the head of the stream to what was written.
func (e *feedEnd) move(tx *sql.Tx, feed *feedState) error {
	if len(e.changes) == 0 {
		return nil
	}
	root, err := syncer.UpdateTree(feedTree{feed, tx, e.id}, e.changes)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE feed_streams SET revision = ?, root = ? WHERE id = ?`, e.revision, hashValue(root), e.id)
	return err
}

// putFeedRecord writes one record unless the feed holds the same content.
func (s *Store) putFeedRecord(tx *sql.Tx, stream int64, r syncer.Record) (changed bool, err error) {
	if err := r.Verify(); err != nil {
		return false, err
	}
	path := r.Path()
	var old []byte
	err = tx.Stmt(s.feed.getHash).QueryRow(stream, path[:]).Scan(&old)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return false, fmt.Errorf("store: read %s %s of the feed: %w", r.Kind, r.Key, err)
	case scanHash(old) == r.Hash && (err == nil || r.Deleted()):
		return false, nil
	}
	body, packed := s.feed.codec.pack(r.Payload)
	deletedAt := int64(0)
	if r.Deleted() {
		deletedAt = s.now().UnixMilli()
	}
	_, err = tx.Stmt(s.feed.putRecord).Exec(stream, path[:], r.Kind, r.Key, hashValue(r.Hash), body, packed, r.Revision, deletedAt)
	if err != nil {
		return false, fmt.Errorf("store: publish %s %s: %w", r.Kind, r.Key, err)
	}
	return true, nil
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
