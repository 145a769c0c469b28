package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// write is one caller's change waiting for the next group.
type write struct {
	ctx  context.Context
	fn   func(*sql.Tx) error
	done chan error
}

// groupLimit bounds how many changes share one commit.
const groupLimit = 64

// write runs fn in a transaction and returns after the commit is on disk.
// Changes that arrive together share one commit, each under a savepoint of its
// own, so that one that fails takes nothing with it. fn must use only tx and
// may be run on another goroutine; it must not call back into the store.
func (s *Store) write(ctx context.Context, fn func(*sql.Tx) error) error {
	w := write{ctx: ctx, fn: fn, done: make(chan error, 1)}
	select {
	case s.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-w.done // once taken, the outcome is known or the write is on disk
}

func (s *Store) writeLoop() {
	defer close(s.done)
	for w := range s.queue {
		group := append(make([]write, 0, groupLimit), w)
	collect:
		for len(group) < groupLimit {
			select {
			case next, ok := <-s.queue:
				if !ok {
					break collect
				}
				group = append(group, next)
			default:
				break collect
			}
		}
		s.commit(group)
	}
}

// commit runs a group in one transaction and tells every caller its outcome.
func (s *Store) commit(group []write) {
	tx, err := s.writes.BeginTx(context.Background(), nil)
	if err != nil {
		answer(group, nil, fmt.Errorf("store: begin: %w", err))
		return
	}
	outcomes := make([]error, len(group))
	for i, w := range group {
		outcomes[i] = inSavepoint(tx, w)
	}
	if err := tx.Commit(); err != nil {
		answer(group, nil, fmt.Errorf("store: commit: %w", errors.Join(err, tx.Rollback())))
		return
	}
	s.feed.committed() // before a caller knows: who waits for the change must not wait for the next
	answer(group, outcomes, nil)
}

func answer(group []write, outcomes []error, all error) {
	for i, w := range group {
		if all != nil {
			w.done <- all
			continue
		}
		w.done <- outcomes[i]
	}
}

func inSavepoint(tx *sql.Tx, w write) (err error) {
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	if _, err := tx.Exec(`SAVEPOINT change`); err != nil {
		return fmt.Errorf("store: savepoint: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: a write panicked: %v", p)
		}
		end := `RELEASE change`
		if err != nil {
			end = `ROLLBACK TO change; RELEASE change`
		}
		if _, e := tx.Exec(end); e != nil {
			err = errors.Join(err, fmt.Errorf("store: end savepoint: %w", e))
		}
	}()
	return w.fn(tx)
}
