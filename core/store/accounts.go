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

// Accounts lists all accounts by name.
func (s *Store) Accounts(ctx context.Context) ([]model.Account, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT username, role, created_at, last_login FROM accounts ORDER BY username`)
	if err != nil {
		return nil, fmt.Errorf("store: list accounts: %w", err)
	}
	defer rows.Close()
	var accounts []model.Account
	for rows.Next() {
		var (
			a              model.Account
			created, login int64
		)
		if err := rows.Scan(&a.Username, &a.Role, &created, &login); err != nil {
			return nil, fmt.Errorf("store: list accounts: %w", err)
		}
		a.CreatedAt, a.LastLogin = fromMillis(created), fromMillis(login)
		accounts = append(accounts, a)
	}
	return accounts, rows.Err()
}

// Account gives one account and the hash of its password, or a NotFound fault.
func (s *Store) Account(ctx context.Context, username string) (a model.Account, passwordHash string, err error) {
	var created, login int64
	err = s.reads.QueryRowContext(ctx, `SELECT username, role, created_at, last_login, password_hash FROM accounts WHERE username = ?`, username).
		Scan(&a.Username, &a.Role, &created, &login, &passwordHash)
	if errors.Is(err, sql.ErrNoRows) {
		return model.Account{}, "", noAccount(username)
	}
	if err != nil {
		return model.Account{}, "", fmt.Errorf("store: read account %s: %w", username, err)
	}
	a.CreatedAt, a.LastLogin = fromMillis(created), fromMillis(login)
	return a, passwordHash, nil
}

// AddAccount adds an account; a Conflict fault says that the name is taken.
func (s *Store) AddAccount(ctx context.Context, a model.Account, passwordHash string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec(`INSERT INTO accounts (username, role, password_hash, created_at, last_login) VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
			a.Username, a.Role, passwordHash, millis(a.CreatedAt))
		return oneRow(res, err, func() error {
			return fault.New(fault.Conflict, "an account named %q exists", a.Username)
		})
	})
}

// RemoveAccount removes an account with its sessions, unless it is the last
// one that has one of the roles in keepOne, which is a Conflict fault.
func (s *Store) RemoveAccount(ctx context.Context, username string, keepOne []model.Role) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		last, err := isLast(tx, username, keepOne)
		if err != nil {
			return err
		}
		if last {
			return fault.New(fault.Conflict, "%q is the last administrator", username).
				WithHint("add another administrator first")
		}
		res, err := tx.Exec(`DELETE FROM accounts WHERE username = ?`, username)
		return oneRow(res, err, func() error { return noAccount(username) })
	})
}

// isLast says whether username has one of the roles and nobody else has.
func isLast(tx *sql.Tx, username string, roles []model.Role) (bool, error) {
	rows, err := tx.Query(`SELECT username, role FROM accounts`)
	if err != nil {
		return false, fmt.Errorf("store: count administrators: %w", err)
	}
	defer rows.Close()
	has, others := false, 0
	for rows.Next() {
		var (
			name string
			role model.Role
		)
		if err := rows.Scan(&name, &role); err != nil {
			return false, fmt.Errorf("store: count administrators: %w", err)
		}
		for _, r := range roles {
			switch {
			case r != role:
			case name == username:
				has = true
			default:
				others++
			}
		}
	}
	return has && others == 0, rows.Err()
}

// SetPasswordHash changes a password and ends every session of the account.
func (s *Store) SetPasswordHash(ctx context.Context, username, passwordHash string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM sessions WHERE username = ?`, username); err != nil {
			return fmt.Errorf("store: end sessions of %s: %w", username, err)
		}
		res, err := tx.Exec(`UPDATE accounts SET password_hash = ? WHERE username = ?`, passwordHash, username)
		return oneRow(res, err, func() error { return noAccount(username) })
	})
}

// SetRole gives an account another role.
func (s *Store) SetRole(ctx context.Context, username string, role model.Role) error {
	return s.write(ctx, func(tx *sql.Tx) error { return setRole(tx, username, role) })
}

func setRole(tx *sql.Tx, username string, role model.Role) error {
	res, err := tx.Exec(`UPDATE accounts SET role = ? WHERE username = ?`, role, username)
	return oneRow(res, err, func() error { return noAccount(username) })
}

func noAccount(username string) error {
	return fault.New(fault.NotFound, "no account named %q", username)
}

// oneRow turns a statement that touched no row into the error of none.
func oneRow(res sql.Result, err error, none func() error) error {
	if err != nil {
		return fmt.Errorf("store: write: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("store: write: %w", err)
	}
	if n == 0 {
		return none()
	}
	return nil
}

// millis is a time as the identity tables keep it; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
