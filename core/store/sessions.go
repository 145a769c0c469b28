package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// BeginSession records a login: the session by the hash of its token, and the
// account's last login. Of the account's sessions only the newest keep stay,
// which also bounds what is left of sessions that nobody ended.
func (s *Store) BeginSession(ctx context.Context, username, tokenHash string, at time.Time, keep int) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec(`UPDATE accounts SET last_login = ? WHERE username = ?`, millis(at), username)
		if err := oneRow(res, err, func() error { return noAccount(username) }); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO sessions (token_hash, username, created_at, seen_at) VALUES (?, ?, ?, ?)`,
			tokenHash, username, millis(at), millis(at)); err != nil {
			return fmt.Errorf("store: begin session: %w", err)
		}
		_, err = tx.Exec(`DELETE FROM sessions WHERE username = ? AND token_hash <> ? AND token_hash NOT IN
			(SELECT token_hash FROM sessions WHERE username = ? AND token_hash <> ? ORDER BY created_at DESC, token_hash LIMIT ?)`,
			username, tokenHash, username, tokenHash, max(keep-1, 0))
		if err != nil {
			return fmt.Errorf("store: evict sessions: %w", err)
		}
		return nil
	})
}

// Session gives whose session has the token hash, with the account as it is
// now, or a NotFound fault.
func (s *Store) Session(ctx context.Context, tokenHash string) (a model.Account, created, seen time.Time, err error) {
	var createdMS, seenMS int64
	err = s.reads.QueryRowContext(ctx, `SELECT a.username, a.role, s.created_at, s.seen_at
		FROM sessions s JOIN accounts a ON a.username = s.username WHERE s.token_hash = ?`, tokenHash).
		Scan(&a.Username, &a.Role, &createdMS, &seenMS)
	if errors.Is(err, sql.ErrNoRows) {
		return model.Account{}, time.Time{}, time.Time{}, fault.New(fault.NotFound, "no such session")
	}
	if err != nil {
		return model.Account{}, time.Time{}, time.Time{}, fmt.Errorf("store: read session: %w", err)
	}
	return a, fromMillis(createdMS), fromMillis(seenMS), nil
}

// TouchSession records that a session was used.
func (s *Store) TouchSession(ctx context.Context, tokenHash string, at time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE sessions SET seen_at = ? WHERE token_hash = ?`, millis(at), tokenHash); err != nil {
			return fmt.Errorf("store: touch session: %w", err)
		}
		return nil
	})
}

// EndSession forgets a session; one that is not there is no error.
func (s *Store) EndSession(ctx context.Context, tokenHash string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM sessions WHERE token_hash = ?`, tokenHash); err != nil {
			return fmt.Errorf("store: end session: %w", err)
		}
		return nil
	})
}
