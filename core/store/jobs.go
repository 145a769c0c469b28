package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/model"
)

// Lease gives a waiting job, or one whose lease ran out, to an owner. A job that
// lost its worker too often is given up: an image must not kill workers forever.
func (s *Store) Lease(ctx context.Context, id int64, t model.LeaseTerms) (job model.Job, ok bool, err error) {
	now := s.now()
	err = s.write(ctx, func(tx *sql.Tx) error {
		job, ok, err = readJob(tx.QueryRow(selectJob+`WHERE j.id = ? AND (j.state = 'queued' AND j.not_before <= ? OR j.state = 'leased' AND j.lease_until < ?)`,
			id, millis(now), millis(now)))
		if err != nil || !ok {
			return err
		}
		if job.Attempt >= t.Attempts {
			ok = false
			return s.endJob(tx, job, model.JobFailed, fmt.Sprintf("given up: the scan was cut off %d times", job.Attempt))
		}
		job.Attempt++
		_, err := tx.Exec(`UPDATE jobs SET state = 'leased', attempt = ?, owner = ?, lease_until = ? WHERE id = ?`,
			job.Attempt, t.Owner, millis(now.Add(t.TTL)), id)
		if err != nil {
			return fmt.Errorf("store: lease job %d: %w", id, err)
		}
		_, err = tx.Exec(`UPDATE images SET status = 'scanning' WHERE origin = 'local' AND digest = ? AND status IN ('scheduled', 'failed')`, job.Digest)
		if err != nil {
			return fmt.Errorf("store: show job %d: %w", id, err)
		}
		return nil
	})
	return job, ok && err == nil, err
}

// Extend keeps a lease alive; false when it is lost.
func (s *Store) Extend(ctx context.Context, id int64, t model.LeaseTerms) (held bool, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		done, err := tx.Exec(`UPDATE jobs SET lease_until = ? WHERE id = ? AND state = 'leased' AND owner = ?`, millis(s.now().Add(t.TTL)), id, t.Owner)
		if err != nil {
			return fmt.Errorf("store: extend the lease of job %d: %w", id, err)
		}
		n, err := done.RowsAffected()
		held = n == 1
		return err
	})
	return held, err
}

// Abandon lets all leases of an owner run out now; its jobs count as cut off.
func (s *Store) Abandon(ctx context.Context, owner string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE jobs SET lease_until = 0 WHERE state = 'leased' AND owner = ?`, owner); err != nil {
			return fmt.Errorf("store: end the leases of %s: %w", owner, err)
		}
		return nil
	})
}

// Return gives a job back without a result: to the queue, or for good. Nothing
// happens when the lease is lost.
func (s *Store) Return(ctx context.Context, j model.Job, owner string, r model.ReturnedJob) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		held, err := holds(tx, j.ID, owner)
		if err != nil || !held {
			return err
		}
		if r.State != model.JobQueued {
			return s.endJob(tx, j, r.State, r.Reason)
		}
		attempt := j.Attempt
		if r.Uncounted {
			attempt--
		}
		puts := j.Held
		if r.Held {
			puts++
		}
		_, err = tx.Exec(`UPDATE jobs SET state = 'queued', owner = '', lease_until = 0, attempt = ?, held = ?, reason = ?, not_before = ? WHERE id = ?`,
			attempt, puts, r.Reason, millis(r.NotBefore), j.ID)
		if err != nil {
			return fmt.Errorf("store: return job %d: %w", j.ID, err)
		}
		return nil
	})
}

// Waiting are jobs that may be leased now, oldest first, at most limit.
func (s *Store) Waiting(ctx context.Context, limit int) ([]int64, error) {
	now := millis(s.now())
	return column[int64](s.reads.QueryContext(ctx, `SELECT id FROM jobs WHERE state = 'queued' AND not_before <= ? OR state = 'leased' AND lease_until < ? ORDER BY id LIMIT ?`, now, now, limit))
}

// endJob ends a job without a result and says why in its image.
func (s *Store) endJob(tx *sql.Tx, j model.Job, state model.JobState, reason string) error {
	status := model.ImageFailed
	if state == model.JobUnsupported {
		status = model.ImageUnsupported
	}
	img, err := readImage(tx, model.Local, j.Digest)
	if err != nil {
		return err
	}
	img.Digest, img.Status, img.Reason, img.Attached, img.ScannedAt = j.Digest, status, reason, false, s.now().UTC()
	if err := putImageUnlessFinished(tx, img); err != nil {
		return err
	}
	if state == model.JobUnsupported {
		if err := s.federate(tx, j.Registry, j.Digest); err != nil {
			return err
		}
	}
	return s.closeJob(tx, j, string(state))
}

// closeJob counts a job and ends its run when it was the last.
func (s *Store) closeJob(tx *sql.Tx, j model.Job, state string) error {
	if _, err := tx.Exec(`UPDATE jobs SET state = ?, owner = '', lease_until = 0 WHERE id = ?`, state, j.ID); err != nil {
		return fmt.Errorf("store: end job %d: %w", j.ID, err)
	}
	return s.endRun(tx, j.Run)
}

func holds(tx *sql.Tx, id int64, owner string) (bool, error) {
	var held bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state = 'leased' AND owner = ?)`, id, owner).Scan(&held)
	if err != nil {
		return false, fmt.Errorf("store: read job %d: %w", id, err)
	}
	return held, nil
}

const selectJob = `SELECT j.id, j.run_id, r.registry, j.repository, j.digest, j.media_type, j.attempt, j.held FROM jobs j JOIN runs r ON r.id = j.run_id `

func readJob(r row) (j model.Job, ok bool, err error) {
	err = r.Scan(&j.ID, &j.Run, &j.Registry, &j.Repository, &j.Digest, &j.MediaType, &j.Attempt, &j.Held)
	if errors.Is(err, sql.ErrNoRows) {
		return j, false, nil
	}
	if err != nil {
		return j, false, fmt.Errorf("store: read a job: %w", err)
	}
	return j, true, nil
}

// readImage is an image as it is kept; the zero image when it is not known.
func readImage(tx *sql.Tx, origin model.Origin, digest model.Digest) (model.Image, error) {
	var img model.Image
	var body []byte
	err := tx.QueryRow(`SELECT body FROM images WHERE origin = ? AND digest = ?`, origin, digest).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return img, nil
	}
	if err != nil {
		return img, fmt.Errorf("store: read image %s: %w", digest, err)
	}
	if err := json.Unmarshal(body, &img); err != nil {
		return img, fmt.Errorf("store: decode image %s: %w", digest, err)
	}
	return img, nil
}
