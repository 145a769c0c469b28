package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/muster-sec/muster/syncer"
)

// feedState is what the store keeps in memory about its feed.
type feedState struct {
	codec   payloadCodec
	written atomic.Bool   // the group being committed wrote to the feed
	changed chan struct{} // holds one token while a change has not been noticed

	// What runs for every record or tree node is prepared once, on the writer's
	// connection; use it as tx.Stmt.
	getHash, putRecord, getNode, putNode *sql.Stmt
}

func newFeedState(ctx context.Context, writes *sql.DB) (*feedState, error) {
	codec, err := newPayloadCodec()
	if err != nil {
		return nil, err
	}
	f := &feedState{codec: codec, changed: make(chan struct{}, 1)}
	for _, s := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&f.getHash, `SELECT hash FROM feed_records WHERE stream = ? AND path = ?`},
		{&f.putRecord, `INSERT INTO feed_records (stream, path, kind, name, hash, payload, packed, revision, deleted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (stream, path) DO UPDATE SET hash = excluded.hash, payload = excluded.payload, packed = excluded.packed,
			revision = excluded.revision, deleted_at = excluded.deleted_at`},
		{&f.getNode, selectNode},
		{&f.putNode, `INSERT INTO feed_nodes (stream, prefix, body) VALUES (?, ?, ?)
			ON CONFLICT (stream, prefix) DO UPDATE SET body = excluded.body`},
	} {
		// The statements are closed with the connection.
		if *s.to, err = writes.PrepareContext(ctx, s.query); err != nil { //nolint:sqlclosecheck
			return nil, fmt.Errorf("store: prepare the feed: %w", err)
		}
	}
	return f, nil
}

// committed is called by the writer after every commit.
func (f *feedState) committed() {
	if !f.written.Swap(false) {
		return
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// FeedChanged receives a value after commits that moved the head of the feed.
// Commits that follow one another closely share a value. One reader at a time.
func (s *Store) FeedChanged() <-chan struct{} { return s.feed.changed }

// Feed is the sending side of the feed. It is safe for concurrent use.
type Feed struct{ s *Store }

var _ syncer.PrimaryStore = (*Feed)(nil)

// Feed returns the store as the primary's end of a federation reads it.
func (s *Store) Feed() *Feed { return &Feed{s} }

const selectHeads = `SELECT id, scope, class, revision, floor, root FROM feed_streams WHERE revision > 0`

func scanHead(scan func(...any) error) (id int64, h syncer.Head, err error) {
	var root []byte
	err = scan(&id, &h.Stream.Scope, &h.Stream.Class, &h.Revision, &h.Floor, &root)
	h.Root = scanHash(root)
	return id, h, err
}

// Heads implements [syncer.PrimaryStore].
func (f *Feed) Heads(ctx context.Context) (epoch uint64, heads []syncer.Head, err error) {
	err = f.s.read(ctx, func(tx *sql.Tx) error {
		if epoch, err = readEpoch(tx); err != nil {
			return err
		}
		rows, err := tx.Query(selectHeads + ` ORDER BY class, scope`)
		if err != nil {
			return fmt.Errorf("store: read the heads: %w", err)
		}
		heads, err = collect(rows, func(rows *sql.Rows) (syncer.Head, error) {
			_, h, err := scanHead(rows.Scan)
			return h, err
		})
		return err
	})
	return epoch, heads, err
}

// View implements [syncer.PrimaryStore].
func (f *Feed) View(ctx context.Context, stream syncer.Stream, read func(syncer.View) error) error {
	return f.s.read(ctx, func(tx *sql.Tx) error {
		v := feedView{tx: tx, codec: f.s.feed.codec, head: syncer.Head{Stream: stream}}
		epoch, err := readEpoch(tx)
		if err != nil {
			return err
		}
		v.epoch = epoch
		id, head, err := scanHead(tx.QueryRow(selectHeads+` AND scope = ? AND class = ?`, stream.Scope, stream.Class).Scan)
		switch {
		case err == nil:
			v.id, v.head = id, head
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("store: read the head of %s: %w", stream, err)
		}
		return read(v)
	})
}

// OpenEpoch implements [syncer.PrimaryStore].
func (f *Feed) OpenEpoch(ctx context.Context, above uint64) (epoch uint64, err error) {
	err = f.s.write(ctx, func(tx *sql.Tx) error {
		if epoch, err = readEpoch(tx); err != nil {
			return err
		}
		epoch = max(epoch, above) + 1
		if _, err := tx.Exec(`UPDATE feed_state SET epoch = ?`, epoch); err != nil {
			return fmt.Errorf("store: open epoch %d: %w", epoch, err)
		}
		f.s.feed.written.Store(true)
		return nil
	})
	return epoch, err
}

// CollectTombstones forgets the deletions that happened before the given time.
// A member that has not come by since compares trees instead of positions.
func (s *Store) CollectTombstones(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		return collectTombstones(tx, `deleted_at > 0 AND deleted_at < ?`, before.UnixMilli())
	})
}

// collectTombstones removes the records that match and raises the floors.
func collectTombstones(tx *sql.Tx, where string, arg any) error {
	_, err := tx.Exec(`UPDATE feed_streams SET floor = coalesce(
		(SELECT max(r.revision) FROM feed_records r WHERE r.stream = feed_streams.id AND `+where+`), floor)`, arg)
	if err != nil {
		return fmt.Errorf("store: raise the floor of the feed: %w", err)
	}
	if _, err := tx.Exec(`DELETE FROM feed_records WHERE `+where, arg); err != nil {
		return fmt.Errorf("store: collect tombstones: %w", err)
	}
	return nil
}

func readEpoch(q querier) (epoch uint64, err error) {
	if err := q.QueryRow(`SELECT epoch FROM feed_state`).Scan(&epoch); err != nil {
		return 0, fmt.Errorf("store: read the epoch: %w", err)
	}
	return epoch, nil
}

// read runs fn in a read transaction: all its queries see one snapshot.
func (s *Store) read(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("store: begin to read: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	err = fn(tx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("store: read: %w", ctx.Err()) // the driver says it less clearly
	}
	return err
}

// feedView is one stream in one snapshot.
type feedView struct {
	tx    *sql.Tx
	codec payloadCodec
	epoch uint64
	id    int64
	head  syncer.Head
}

// Epoch implements [syncer.View].
func (v feedView) Epoch() uint64 { return v.epoch }

// Head implements [syncer.View].
func (v feedView) Head() syncer.Head { return v.head }

// After implements [syncer.View].
func (v feedView) After(revision uint64, limit syncer.Limit) (records []syncer.Record, more bool, err error) {
	rows, err := v.tx.Query(`SELECT `+recordColumns+` FROM feed_records WHERE stream = ? AND revision > ? ORDER BY revision`, v.id, revision)
	if err != nil {
		return nil, false, fmt.Errorf("store: read %s after %d: %w", v.head.Stream, revision, err)
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		if len(records) > 0 && len(records) >= limit.Records {
			return records, true, nil
		}
		r, err := v.codec.scanRecord(v.head.Stream.Scope, rows.Scan)
		if err != nil {
			return nil, false, fmt.Errorf("store: read %s after %d: %w", v.head.Stream, revision, err)
		}
		if limit.Full(len(records), size, r.Size()) {
			return records, true, nil
		}
		records, size = append(records, r), size+r.Size()
	}
	return records, false, rows.Err()
}

// Node implements [syncer.View].
func (v feedView) Node(prefix syncer.Prefix) ([]byte, error) {
	return scanNode(v.tx.QueryRow(selectNode, v.id, string(prefix)))
}

// Record implements [syncer.View].
func (v feedView) Record(path syncer.Path) (syncer.Record, bool, error) {
	row := v.tx.QueryRow(`SELECT `+recordColumns+` FROM feed_records WHERE stream = ? AND path = ?`, v.id, path[:])
	r, err := v.codec.scanRecord(v.head.Stream.Scope, row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return syncer.Record{}, false, nil
	}
	if err != nil {
		return syncer.Record{}, false, fmt.Errorf("store: read record %s of %s: %w", path, v.head.Stream, err)
	}
	return r, !r.Deleted(), nil
}
