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

// StartRun opens a run of a registry that is administered here, or returns the
// open one and false. With model.TriggerSchedule the schedule counts as answered
// up to at in either case. It fails with fault.NotFound.
func (s *Store) StartRun(ctx context.Context, name string, t model.Trigger, at time.Time) (run model.Run, started bool, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		var exists bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM registries WHERE origin = 'local' AND name = ?)`, name).Scan(&exists); err != nil {
			return registryError(name, err)
		}
		if !exists {
			return registryError(name, sql.ErrNoRows)
		}
		if t == model.TriggerSchedule {
			if _, err := tx.Exec(`UPDATE registries SET scheduled_at = ? WHERE origin = 'local' AND name = ?`, millis(at), name); err != nil {
				return fmt.Errorf("store: write the schedule of %s: %w", name, err)
			}
		}
		run, err = readRun(tx.QueryRow(selectRun+`WHERE registry = ? AND state IN ('listing', 'scanning') ORDER BY id DESC LIMIT 1`, name))
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		run, started = model.Run{Registry: name, Trigger: t, State: model.RunListing, StartedAt: fromMillis(millis(at))}, true
		return tx.QueryRow(`INSERT INTO runs (registry, cause, state, started_at) VALUES (?, ?, ?, ?) RETURNING id`,
			name, t, run.State, millis(at)).Scan(&run.ID)
	})
	if err != nil {
		return model.Run{}, false, fmt.Errorf("store: start a run of %s: %w", name, err)
	}
	if !started {
		run, err = s.Run(ctx, name, run.ID)
	}
	return run, started, err
}

// Run is one run of a registry with its counters as they are now. It fails with
// fault.NotFound.
func (s *Store) Run(ctx context.Context, name string, id int64) (model.Run, error) {
	var run model.Run
	err := s.read(ctx, func(tx *sql.Tx) (err error) {
		if run, err = readRun(tx.QueryRowContext(ctx, selectRun+`WHERE registry = ? AND id = ?`, name, id)); err != nil {
			return err
		}
		if err := countJobs(ctx, tx, &run); err != nil {
			return err
		}
		return s.readWait(ctx, tx, &run)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return run, fault.New(fault.NotFound, "registry %s has no run %d", name, id).WithHint("muster registry show %s tells its last run", name)
	}
	if err != nil {
		return run, fmt.Errorf("store: read run %d: %w", id, err)
	}
	return run, nil
}

// Listing are the runs whose listing has not ended, oldest first.
func (s *Store) Listing(ctx context.Context) ([]model.Run, error) {
	rows, err := s.reads.QueryContext(ctx, selectRun+`WHERE state = 'listing' ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("store: read runs: %w", err)
	}
	defer rows.Close()
	var list []model.Run
	for rows.Next() {
		run, err := readRun(rows)
		if err != nil {
			return nil, fmt.Errorf("store: read runs: %w", err)
		}
		list = append(list, run)
	}
	return list, rows.Err()
}

// EndListing removes the tags that are gone and ends the run as soon as nothing
// of it waits: as done, or as failed when there is a problem. It does nothing to
// a run that is over.
func (s *Store) EndListing(ctx context.Context, id int64, end model.ListingEnd) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		done, err := tx.Exec(`UPDATE runs SET state = 'scanning', error = ?, warning = ? WHERE id = ? AND state = 'listing'`, end.Problem, end.Warning, id)
		if err != nil {
			return fmt.Errorf("store: end the listing of run %d: %w", id, err)
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if err := s.removeTags(tx, end.Gone); err != nil {
			return err
		}
		return s.endRun(tx, id)
	})
}

// StopRun cancels a run and forgets what of it waits; false when it was over.
func (s *Store) StopRun(ctx context.Context, id int64) (stopped bool, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		done, err := tx.Exec(`UPDATE runs SET state = 'cancelled', finished_at = ? WHERE id = ? AND state IN ('listing', 'scanning')`, millis(s.now()), id)
		if err != nil {
			return fmt.Errorf("store: stop run %d: %w", id, err)
		}
		n, err := done.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		stopped = true
		return s.closeJobs(tx, id)
	})
	return stopped, err
}

// endRun ends a run in state scanning that has nothing left to do.
func (s *Store) endRun(tx *sql.Tx, id int64) error {
	done, err := tx.Exec(`UPDATE runs SET state = CASE WHEN error = '' THEN 'done' ELSE 'failed' END, finished_at = ?
		WHERE id = ? AND state = 'scanning' AND NOT EXISTS (SELECT 1 FROM jobs WHERE run_id = runs.id AND state IN ('queued', 'leased'))`,
		millis(s.now()), id)
	if err != nil {
		return fmt.Errorf("store: end run %d: %w", id, err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return s.closeJobs(tx, id)
}

// closeJobs freezes the counters of a run that is over and forgets its jobs.
// Images that only waited to be scanned for the first time are forgotten too.
func (s *Store) closeJobs(tx *sql.Tx, id int64) error {
	for _, q := range []string{
		`UPDATE runs SET
			scanned = (SELECT count(*) FROM jobs WHERE run_id = runs.id AND state = 'scanned'),
			unchanged = (SELECT count(*) FROM jobs WHERE run_id = runs.id AND state = 'unchanged'),
			unsupported = (SELECT count(*) FROM jobs WHERE run_id = runs.id AND state = 'unsupported'),
			failed = (SELECT count(*) FROM jobs WHERE run_id = runs.id AND state = 'failed')
		WHERE id = ?`,
		`DELETE FROM images WHERE origin = 'local' AND status IN ('scheduled', 'scanning')
			AND digest IN (SELECT digest FROM jobs WHERE run_id = ? AND state IN ('queued', 'leased'))
			AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.digest = images.digest)
			AND NOT EXISTS (SELECT 1 FROM jobs j JOIN runs r ON r.id = j.run_id WHERE j.digest = images.digest AND r.state IN ('listing', 'scanning'))`,
		`DELETE FROM jobs WHERE run_id = ?`,
	} {
		if _, err := tx.Exec(q, id); err != nil {
			return fmt.Errorf("store: close run %d: %w", id, err)
		}
	}
	return nil
}

const selectRun = `SELECT id, registry, cause, state, started_at, finished_at, error, warning, scanned, unchanged, unsupported, failed FROM runs `

// row is what QueryRow and Query have in common.
type row interface{ Scan(dest ...any) error }

func readRun(r row) (model.Run, error) {
	var run model.Run
	var started, finished int64
	err := r.Scan(&run.ID, &run.Registry, &run.Trigger, &run.State, &started, &finished, &run.Error, &run.Warning,
		&run.Scanned, &run.Unchanged, &run.Unsupported, &run.Failed)
	run.StartedAt, run.FinishedAt = fromMillis(started), fromMillis(finished)
	run.Listed = run.Scanned + run.Unchanged + run.Unsupported + run.Failed
	return run, err
}

// countJobs fills in the counters of a run that is not over.
func countJobs(ctx context.Context, tx *sql.Tx, run *model.Run) error {
	if run.State.Final() {
		return nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT state, count(*) FROM jobs WHERE run_id = ? AND state <> 'expanded' GROUP BY state`, run.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return err
		}
		run.Listed += n
		switch state {
		case "scanned":
			run.Scanned = n
		case "unchanged":
			run.Unchanged = n
		case "unsupported":
			run.Unsupported = n
		case "failed":
			run.Failed = n
		}
	}
	return rows.Err()
}

// readWait tells what a run waits for of which no job can go on now.
func (s *Store) readWait(ctx context.Context, tx *sql.Tx, run *model.Run) error {
	if run.State != model.RunScanning {
		return nil
	}
	now := millis(s.now())
	var until int64
	err := tx.QueryRowContext(ctx, `SELECT not_before, reason FROM jobs WHERE run_id = ? AND state = 'queued' AND not_before > ?
		AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.run_id = jobs.run_id AND (o.state = 'leased' OR o.state = 'queued' AND o.not_before <= ?))
		ORDER BY not_before LIMIT 1`, run.ID, now, now).Scan(&until, &run.WaitingFor)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	run.WaitingUntil = fromMillis(until)
	return err
}
