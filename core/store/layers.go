package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Layer is the stored analysis of a layer; nil when there is none. Using it
// keeps it: once a day the row notes that it is still wanted.
func (s *Store) Layer(ctx context.Context, name string) ([]byte, error) {
	var body []byte
	var used int64
	err := s.reads.QueryRowContext(ctx, `SELECT body, used_at FROM layers WHERE name = ?`, name).Scan(&body, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: read layer %s: %w", name, err)
	}
	if now := s.now(); now.Sub(fromMillis(used)) > 24*time.Hour {
		err := s.write(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec(`UPDATE layers SET used_at = ? WHERE name = ?`, millis(now), name)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("store: note the use of layer %s: %w", name, err)
		}
	}
	plain, err := s.feed.codec.unpack(body, true)
	if err != nil {
		return nil, fmt.Errorf("store: unpack layer %s: %w", name, err)
	}
	return plain, nil
}

// PutLayer keeps the analysis of a layer. Equal names have equal analyses, so
// what is there stays.
func (s *Store) PutLayer(ctx context.Context, name string, analysis []byte) error {
	packed := s.feed.codec.compress(analysis)
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO layers (name, body, used_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, name, packed, millis(s.now()))
		if err != nil {
			return fmt.Errorf("store: write layer %s: %w", name, err)
		}
		return nil
	})
}
