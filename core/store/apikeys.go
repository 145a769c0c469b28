package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// APIKeys lists all API keys by name.
func (s *Store) APIKeys(ctx context.Context) ([]model.APIKey, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT name, role, created_by, created_at, expires_at, '' FROM api_keys ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("store: list API keys: %w", err)
	}
	defer rows.Close()
	var keys []model.APIKey
	for rows.Next() {
		key, _, err := scanAPIKey(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("store: list API keys: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// APIKey gives one key and the hash of its secret, or a NotFound fault.
func (s *Store) APIKey(ctx context.Context, name string) (key model.APIKey, secretHash string, err error) {
	row := s.reads.QueryRowContext(ctx, `SELECT name, role, created_by, created_at, expires_at, secret_hash FROM api_keys WHERE name = ?`, name)
	key, secretHash, err = scanAPIKey(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return model.APIKey{}, "", noAPIKey(name)
	}
	if err != nil {
		return model.APIKey{}, "", fmt.Errorf("store: read API key %s: %w", name, err)
	}
	return key, secretHash, nil
}

func scanAPIKey(scan func(...any) error) (key model.APIKey, secretHash string, err error) {
	var created, expires int64
	err = scan(&key.Name, &key.Role, &key.CreatedBy, &created, &expires, &secretHash)
	key.CreatedAt, key.ExpiresAt = fromMillis(created), fromMillis(expires)
	return key, secretHash, err
}

// AddAPIKey adds a key; a Conflict fault says that the name is taken.
func (s *Store) AddAPIKey(ctx context.Context, key model.APIKey, secretHash string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec(`INSERT INTO api_keys (name, role, secret_hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			key.Name, key.Role, secretHash, key.CreatedBy, millis(key.CreatedAt), millis(key.ExpiresAt))
		return oneRow(res, err, func() error {
			return fault.New(fault.Conflict, "an API key named %q exists", key.Name)
		})
	})
}

// RemoveAPIKey removes a key, which stops working at once.
func (s *Store) RemoveAPIKey(ctx context.Context, name string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.Exec(`DELETE FROM api_keys WHERE name = ?`, name)
		return oneRow(res, err, func() error { return noAPIKey(name) })
	})
}

func noAPIKey(name string) error {
	return fault.New(fault.NotFound, "no API key named %q", name)
}
