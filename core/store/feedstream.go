package store

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/syncer"
)

// querier is what a *sql.Tx offers a reader.
type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
	QueryRow(query string, args ...any) *sql.Row
}

// streamID finds a stream's row; zero when there is none.
func streamID(q querier, s syncer.Stream) (int64, error) {
	var id int64
	err := q.QueryRow(`SELECT id FROM feed_streams WHERE scope = ? AND class = ?`, s.Scope, s.Class).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("store: read stream %s: %w", s, err)
	}
	return id, nil
}

// openStream finds or makes a stream's row.
func openStream(tx *sql.Tx, s syncer.Stream) (int64, error) {
	id, err := streamID(tx, s)
	if err != nil || id != 0 {
		return id, err
	}
	if err := tx.QueryRow(`SELECT coalesce(max(id), 0) + 1 FROM feed_streams`).Scan(&id); err != nil {
		return 0, fmt.Errorf("store: number stream %s: %w", s, err)
	}
	if _, err := tx.Exec(`INSERT INTO feed_streams (id, scope, class) VALUES (?, ?, ?)`, id, s.Scope, s.Class); err != nil {
		return 0, fmt.Errorf("store: open stream %s: %w", s, err)
	}
	return id, nil
}

// feedTree is the tree of one stream inside a transaction that writes.
type feedTree struct {
	feed   *feedState
	tx     *sql.Tx
	stream int64
}

var _ syncer.TreeStore = feedTree{}

// Node implements [syncer.TreeStore].
func (t feedTree) Node(prefix syncer.Prefix) ([]byte, error) {
	return scanNode(t.tx.Stmt(t.feed.getNode).QueryRow(t.stream, string(prefix)))
}

// SetNode implements [syncer.TreeStore].
func (t feedTree) SetNode(prefix syncer.Prefix, body []byte) error {
	if body == nil {
		_, err := t.tx.Exec(`DELETE FROM feed_nodes WHERE stream = ? AND prefix = ?`, t.stream, string(prefix))
		return err
	}
	_, err := t.tx.Stmt(t.feed.putNode).Exec(t.stream, string(prefix), body)
	return err
}

const selectNode = `SELECT body FROM feed_nodes WHERE stream = ? AND prefix = ?`

func scanNode(row *sql.Row) ([]byte, error) {
	var body []byte
	err := row.Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, err
}

// bounds gives the first and the last path under a prefix.
func bounds(p syncer.Prefix) (low, high []byte, err error) {
	first, last := make([]byte, 2*len(syncer.Path{})), make([]byte, 2*len(syncer.Path{}))
	for i := range first {
		first[i], last[i] = '0', 'f'
	}
	copy(first, p)
	copy(last, p)
	if low, err = hex.DecodeString(string(first)); err != nil || !p.Valid() {
		return nil, nil, fmt.Errorf("store: %q is no prefix of a path: %w", p, syncer.ErrCorrupt)
	}
	high, err = hex.DecodeString(string(last))
	return low, high, err
}

func scanHash(b []byte) syncer.Hash {
	var h syncer.Hash
	copy(h[:], b)
	return h
}

// hashValue is a hash as it is stored: null stands for nothing.
func hashValue(h syncer.Hash) any {
	if h.IsZero() {
		return nil
	}
	return h[:]
}

// recordColumns are what scanRecord reads, in order.
const recordColumns = `kind, name, hash, payload, packed, revision`

func (c payloadCodec) scanRecord(scope string, scan func(...any) error) (syncer.Record, error) {
	r := syncer.Record{Scope: scope}
	var hash, body []byte
	var packed bool
	if err := scan(&r.Kind, &r.Key, &hash, &body, &packed, &r.Revision); err != nil {
		return r, err
	}
	r.Hash = scanHash(hash)
	payload, err := c.unpack(body, packed)
	if len(payload) > 0 {
		r.Payload = payload
	}
	return r, err
}
