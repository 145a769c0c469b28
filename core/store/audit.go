package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// Audit appends one event; an event without a time gets the store's.
func (s *Store) Audit(ctx context.Context, e model.AuditEvent) error {
	if e.Time.IsZero() {
		e.Time = s.now()
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO audit (at, actor, action, target, outcome) VALUES (?, ?, ?, ?, ?)`,
			millis(e.Time), e.Actor, e.Action, e.Target, e.Outcome)
		if err != nil {
			return fmt.Errorf("store: write audit: %w", err)
		}
		return nil
	})
}

// AuditEvents gives up to limit events, newest first, and the cursor of the
// page after them ("" at the end). An empty cursor is the first page.
func (s *Store) AuditEvents(ctx context.Context, cursor string, limit int) (events []model.AuditEvent, next string, err error) {
	before, err := beforeID(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.reads.QueryContext(ctx, `SELECT id, at, actor, action, target, outcome FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?`, before, limit)
	if err != nil {
		return nil, "", fmt.Errorf("store: read audit: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			e      model.AuditEvent
			id, at int64
		)
		if err := rows.Scan(&id, &at, &e.Actor, &e.Action, &e.Target, &e.Outcome); err != nil {
			return nil, "", fmt.Errorf("store: read audit: %w", err)
		}
		e.Time, next = fromMillis(at), strconv.FormatInt(id, 10)
		events = append(events, e)
	}
	if len(events) < limit {
		next = ""
	}
	return events, next, rows.Err()
}

// beforeID reads the cursor of a list whose newest rows, by id, come first.
func beforeID(cursor string) (int64, error) {
	if cursor == "" {
		return math.MaxInt64, nil
	}
	before, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%q is not a cursor of this list", cursor)
	}
	return before, nil
}

// TrimAudit removes the events older than before.
func (s *Store) TrimAudit(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM audit WHERE at < ?`, millis(before)); err != nil {
			return fmt.Errorf("store: trim audit: %w", err)
		}
		return nil
	})
}
