package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/syncer"
)

// Replica is the receiving side of the feed: a managed cluster's verified copy,
// kept raw in the feed's tables and projected into the tables of the services in
// the same transaction. Records of a kind that this version does not know are
// kept raw alone.
type Replica struct{ s *Store }

var _ syncer.MemberStore = (*Replica)(nil)

// Replica returns the store as the managed end of a federation writes it.
func (s *Store) Replica() *Replica { return &Replica{s} }

// State implements [syncer.MemberStore].
func (r *Replica) State(ctx context.Context) (state syncer.MemberState, err error) {
	err = r.s.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT scope, class, mark_epoch, mark_revision, mark_floor, mark_seen, seal FROM feed_streams ORDER BY class, scope`)
		if err != nil {
			return fmt.Errorf("store: read the marks: %w", err)
		}
		state.Marks, err = collect(rows, func(rows *sql.Rows) (m syncer.Mark, err error) {
			err = rows.Scan(&m.Stream.Scope, &m.Stream.Class, &m.Position.Epoch, &m.Position.Revision, &m.Floor, &m.Seen, &m.Seal)
			return m, err
		})
		if err != nil {
			return fmt.Errorf("store: read the marks: %w", err)
		}
		rows, err = tx.Query(`SELECT new_key, signer, signature FROM feed_rotations ORDER BY seq`)
		if err != nil {
			return fmt.Errorf("store: read key rotations: %w", err)
		}
		state.Rotations, err = collect(rows, func(rows *sql.Rows) (rot syncer.Rotation, err error) {
			err = rows.Scan((*[]byte)(&rot.New), &rot.Signer, &rot.Signature)
			return rot, err
		})
		return err
	})
	return state, err
}

// Apply implements [syncer.MemberStore].
func (r *Replica) Apply(ctx context.Context, change syncer.Change) (root syncer.Hash, err error) {
	for _, record := range change.Put {
		if err := record.Verify(); err != nil {
			return syncer.Hash{}, fmt.Errorf("store: refuse a batch: %w", err)
		}
	}
	err = r.s.write(ctx, func(tx *sql.Tx) error {
		root, err = r.apply(tx, change)
		return err
	})
	return root, err
}

func (r *Replica) apply(tx *sql.Tx, c syncer.Change) (syncer.Hash, error) {
	if err := settle(tx, c); err != nil {
		return syncer.Hash{}, err
	}
	if c.Drop {
		if err := r.drop(tx, c.Stream); err != nil {
			return syncer.Hash{}, err
		}
	}
	if c.Replace == nil && len(c.Put) == 0 && c.Mark == nil {
		id, err := streamID(tx, c.Stream)
		if err != nil || id == 0 {
			return syncer.Hash{}, err
		}
		return syncer.Root(feedTree{r.s.feed, tx, id}.Node)
	}
	id, err := openStream(tx, c.Stream)
	if err != nil {
		return syncer.Hash{}, err
	}
	a := applier{tx: tx, store: r.s, stream: c.Stream, id: id, keep: c.KeepOrphans}
	if c.Replace != nil {
		if err := a.replace(*c.Replace); err != nil {
			return syncer.Hash{}, err
		}
	}
	for _, record := range c.Put {
		if err := a.put(record); err != nil {
			return syncer.Hash{}, err
		}
	}
	if c.Mark != nil {
		_, err := tx.Exec(`UPDATE feed_streams SET mark_epoch = ?, mark_revision = ?, mark_floor = ?, mark_seen = ?, seal = ? WHERE id = ?`,
			c.Mark.Position.Epoch, c.Mark.Position.Revision, c.Mark.Floor, c.Mark.Seen, c.Mark.Seal, id)
		if err != nil {
			return syncer.Hash{}, fmt.Errorf("store: write the mark of %s: %w", c.Stream, err)
		}
	}
	root, err := syncer.UpdateTree(feedTree{r.s.feed, tx, id}, a.entries)
	if err != nil {
		return syncer.Hash{}, fmt.Errorf("store: update the tree of %s: %w", c.Stream, err)
	}
	return root, nil
}

// settle writes what a change says beside its records.
func settle(tx *sql.Tx, c syncer.Change) error {
	for _, rot := range c.Rotations {
		_, err := tx.Exec(`INSERT INTO feed_rotations (seq, new_key, signer, signature)
			SELECT coalesce(max(seq), 0) + 1, ?, ?, ? FROM feed_rotations`, []byte(rot.New), string(rot.Signer), rot.Signature)
		if err != nil {
			return fmt.Errorf("store: write a key rotation: %w", err)
		}
	}
	for _, o := range c.Settled {
		_, err := tx.Exec(`DELETE FROM feed_orphans WHERE scope = ? AND path = ? AND hash = ?`, o.Scope, o.Path[:], o.Hash[:])
		if err != nil {
			return fmt.Errorf("store: settle an orphan: %w", err)
		}
	}
	return nil
}

// drop removes a stream with everything that came by it.
func (r *Replica) drop(tx *sql.Tx, stream syncer.Stream) error {
	id, err := streamID(tx, stream)
	if err != nil || id == 0 {
		return err
	}
	a := applier{tx: tx, store: r.s, stream: stream, id: id}
	if err := a.replace(syncer.Range{}); err != nil {
		return err
	}
	for _, statement := range []string{`DELETE FROM feed_nodes WHERE stream = ?`, `DELETE FROM feed_streams WHERE id = ?`} {
		if _, err := tx.Exec(statement, id); err != nil {
			return fmt.Errorf("store: drop stream %s: %w", stream, err)
		}
	}
	return nil
}

// Node implements [syncer.MemberStore].
func (r *Replica) Node(ctx context.Context, stream syncer.Stream, prefix syncer.Prefix) (body []byte, err error) {
	err = r.s.read(ctx, func(tx *sql.Tx) error {
		id, err := streamID(tx, stream)
		if err != nil || id == 0 {
			return err
		}
		body, err = scanNode(tx.QueryRow(selectNode, id, string(prefix)))
		return err
	})
	return body, err
}

// Orphans implements [syncer.MemberStore].
func (r *Replica) Orphans(ctx context.Context, limit syncer.Limit) (orphans []syncer.Record, err error) {
	err = r.s.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT scope, kind, name, hash, payload, packed, 0 FROM feed_orphans ORDER BY scope, path, hash`)
		if err != nil {
			return fmt.Errorf("store: read orphans: %w", err)
		}
		defer rows.Close()
		size := 0
		for rows.Next() {
			var scope string
			o, err := r.s.feed.codec.scanRecord("", func(dest ...any) error {
				return rows.Scan(append([]any{&scope}, dest...)...)
			})
			if err != nil {
				return fmt.Errorf("store: read orphans: %w", err)
			}
			o.Scope = scope
			if limit.Full(len(orphans), size, o.Size()) {
				return nil
			}
			orphans, size = append(orphans, o), size+o.Size()
		}
		return rows.Err()
	})
	return orphans, err
}

// applier applies the records of one change and remembers what the tree must learn.
type applier struct {
	tx      *sql.Tx
	store   *Store
	stream  syncer.Stream
	id      int64
	keep    bool // set aside what is overwritten or removed
	entries []syncer.Entry
}

// replace removes the records under the range that it does not name.
func (a *applier) replace(r syncer.Range) error {
	low, high, err := bounds(r.Prefix)
	if err != nil {
		return err
	}
	named := make(map[syncer.Path]bool, len(r.Keep))
	for _, path := range r.Keep {
		named[path] = true
	}
	rows, err := a.tx.Query(`SELECT kind, name FROM feed_records WHERE stream = ? AND path BETWEEN ? AND ?`, a.id, low, high)
	if err != nil {
		return fmt.Errorf("store: list a range of %s: %w", a.stream, err)
	}
	held, err := collect(rows, func(rows *sql.Rows) (r syncer.Record, err error) {
		err = rows.Scan(&r.Kind, &r.Key)
		return r, err
	})
	if err != nil {
		return fmt.Errorf("store: list a range of %s: %w", a.stream, err)
	}
	for _, h := range held {
		if named[h.Path()] {
			continue
		}
		if err := a.put(syncer.Tombstone(a.stream.Scope, h.Kind, h.Key)); err != nil {
			return err
		}
	}
	return nil
}

// put writes one record over what is at its path, or removes it.
func (a *applier) put(r syncer.Record) error {
	path := r.Path()
	if a.keep {
		if err := a.setAside(path, r.Hash); err != nil {
			return err
		}
	}
	a.entries = append(a.entries, r.Entry())
	if r.Deleted() {
		if _, err := a.tx.Exec(`DELETE FROM feed_records WHERE stream = ? AND path = ?`, a.id, path[:]); err != nil {
			return fmt.Errorf("store: remove %s %s: %w", r.Kind, r.Key, err)
		}
		return unproject(a.tx, r)
	}
	body, packed := a.store.feed.codec.pack(r.Payload)
	_, err := a.tx.Stmt(a.store.feed.putRecord).Exec(a.id, path[:], r.Kind, r.Key, r.Hash[:], body, packed, r.Revision, 0)
	if err != nil {
		return fmt.Errorf("store: keep %s %s: %w", r.Kind, r.Key, err)
	}
	if !packed {
		body = nil
	}
	return a.store.feed.codec.project(a.tx, r, body)
}

// setAside keeps what is at a path as an orphan unless its content is next.
func (a *applier) setAside(path syncer.Path, next syncer.Hash) error {
	var hash []byte
	err := a.tx.Stmt(a.store.feed.getHash).QueryRow(a.id, path[:]).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && scanHash(hash) == next) {
		return nil
	}
	if err == nil {
		_, err = a.tx.Exec(`INSERT INTO feed_orphans (scope, path, hash, kind, name, payload, packed)
			SELECT ?, path, hash, kind, name, payload, packed FROM feed_records WHERE stream = ? AND path = ? ON CONFLICT DO NOTHING`,
			a.stream.Scope, a.id, path[:])
	}
	if err != nil {
		return fmt.Errorf("store: set a record of %s aside: %w", a.stream, err)
	}
	return nil
}
