package store

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

const tokenColumns = `id, created_by, created_at, expires_at, max_uses, uses, revoked`

func scanToken(scan func(...any) error) (t model.JoinToken, err error) {
	var created, expires int64
	err = scan(&t.ID, &t.CreatedBy, &created, &expires, &t.MaxUses, &t.Uses, &t.Revoked)
	t.CreatedAt, t.ExpiresAt = time.UnixMilli(created), time.UnixMilli(expires)
	return t, err
}

// AddJoinToken keeps a new token and the public half of its secret.
func (s *Store) AddJoinToken(ctx context.Context, t model.JoinToken, key ed25519.PublicKey) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO fed_tokens (id, public_key, created_by, created_at, expires_at, max_uses) VALUES (?, ?, ?, ?, ?, ?)`,
			t.ID, []byte(key), t.CreatedBy, t.CreatedAt.UnixMilli(), t.ExpiresAt.UnixMilli(), t.MaxUses)
		if err != nil {
			return fmt.Errorf("store: write join token %s: %w", t.ID, err)
		}
		return nil
	})
}

// JoinTokens lists the tokens, newest first.
func (s *Store) JoinTokens(ctx context.Context) ([]model.JoinToken, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT `+tokenColumns+` FROM fed_tokens ORDER BY created_at DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("store: list join tokens: %w", err)
	}
	return collect(rows, func(rows *sql.Rows) (model.JoinToken, error) { return scanToken(rows.Scan) })
}

// JoinTokenKey gives the public half of a token, fault.NotFound for a token
// that this primary never made.
func (s *Store) JoinTokenKey(ctx context.Context, id string) (key ed25519.PublicKey, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT public_key FROM fed_tokens WHERE id = ?`, id).Scan((*[]byte)(&key))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "store: no join token %q", id)
	}
	if err != nil {
		return nil, fmt.Errorf("store: read join token %s: %w", id, err)
	}
	return key, nil
}

// RevokeJoinToken makes a token useless; the clusters that joined with it stay.
func (s *Store) RevokeJoinToken(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		return execOne(tx, "join token", id, `UPDATE fed_tokens SET revoked = 1 WHERE id = ?`, id)
	})
}

func readToken(q querier, id string) (model.JoinToken, error) {
	t, err := scanToken(q.QueryRow(`SELECT `+tokenColumns+` FROM fed_tokens WHERE id = ?`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fault.New(fault.NotFound, "store: no join token %q", id)
	}
	if err != nil {
		return t, fmt.Errorf("store: read join token %s: %w", id, err)
	}
	return t, nil
}

// execOne runs a statement that must change a row, fault.NotFound otherwise.
func execOne(tx *sql.Tx, what, id, statement string, args ...any) error {
	result, err := tx.Exec(statement, args...)
	if err != nil {
		return fmt.Errorf("store: write %s %s: %w", what, id, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("store: write %s %s: %w", what, id, err)
	}
	if n == 0 {
		return fault.New(fault.NotFound, "store: no %s %q", what, id)
	}
	return nil
}
