package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/muster-sec/muster/core/model"
)

// ciContents is what a document listed beside what table verdicts and
// finding_lists hold. Findings are here only where no digest leads to them.
type ciContents struct {
	Packages []model.Package `json:"packages,omitempty"`
	Findings []model.Finding `json:"findings,omitempty"`
}

// SaveCIResult keeps a document's result: the row itself and, when it names an
// image by digest, the verdict, its findings and the image if it was unknown;
// all of it is published where CI results travel. It takes the place of an older
// result of the same producer for the same image. A document that is already
// there only counts as posted anew, which keeps it from expiring: its result is
// returned with Duplicate set.
func (s *Store) SaveCIResult(ctx context.Context, r model.CIResult, doc model.Document) (model.CIResult, error) {
	list := model.NewFindingList(doc.Findings)
	r.Findings = list.Hash
	contents := ciContents{Packages: doc.Packages}
	if r.Digest == "" {
		contents.Findings = list.Findings
	}
	packed, err := pack(contents)
	if err != nil {
		return model.CIResult{}, fmt.Errorf("store: encode a CI result: %w", err)
	}
	packedList, err := pack(list)
	if err != nil {
		return model.CIResult{}, fmt.Errorf("store: encode findings %s: %w", list.Hash, err)
	}
	saved := r
	err = s.write(ctx, func(tx *sql.Tx) error {
		old, found, err := ciResultOf(tx, r)
		if err != nil {
			return err
		}
		if found && old.DocumentHash == r.DocumentHash {
			old.PostedAt = r.PostedAt
			saved, saved.Duplicate = old, true
			return postAgain(tx, old)
		}
		if found {
			if err := forgetCIResult(tx, old.ID); err != nil {
				return err
			}
		}
		if saved.ID, err = insertCIResult(tx, r, packed); err != nil || r.Digest == "" {
			return err
		}
		return s.recordCI(tx, r, packedList, doc.Image)
	})
	return saved, err
}

// CIResults is a page of the kept results, newest first, and the cursor of the next.
func (s *Store) CIResults(ctx context.Context, cursor string, limit int) (results []model.CIResult, next string, err error) {
	before, err := beforeID(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.reads.QueryContext(ctx, `SELECT id, body FROM ci_results WHERE id < ? ORDER BY id DESC LIMIT ?`, before, limit)
	if err == nil {
		results, err = collect(rows, scanCIResult)
	}
	if err != nil {
		return nil, "", fmt.Errorf("store: read CI results: %w", err)
	}
	if len(results) == limit {
		next = strconv.FormatInt(results[limit-1].ID, 10)
	}
	return results, next, nil
}

// CIPackages are the packages that a result's document listed.
func (s *Store) CIPackages(ctx context.Context, id int64) ([]model.Package, error) {
	var body []byte
	var contents ciContents
	err := s.reads.QueryRowContext(ctx, `SELECT contents FROM ci_results WHERE id = ?`, id).Scan(&body)
	if err == nil {
		err = unpack(body, &contents)
	}
	if err != nil {
		return nil, fmt.Errorf("store: read the packages of CI result %d: %w", id, err)
	}
	return contents.Packages, nil
}

// SweepCIResults removes results posted before the time, with their verdicts,
// and returns how many. Finding lists that nobody refers to any more are
// collected with all others.
func (s *Store) SweepCIResults(ctx context.Context, before time.Time) (int, error) {
	swept := 0
	err := s.write(ctx, func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT id, body FROM ci_results WHERE posted_at < ?`, before.UnixMilli())
		if err != nil {
			return fmt.Errorf("store: read old CI results: %w", err)
		}
		old, err := collect(rows, scanCIResult)
		if err != nil {
			return fmt.Errorf("store: read old CI results: %w", err)
		}
		for _, r := range old {
			if err := forgetCIResult(tx, r.ID); err != nil {
				return err
			}
			if err := s.dropCI(tx, r); err != nil {
				return err
			}
		}
		swept = len(old)
		return nil
	})
	return swept, err
}

func scanCIResult(rows *sql.Rows) (model.CIResult, error) {
	var (
		r    model.CIResult
		id   int64
		body []byte
	)
	if err := rows.Scan(&id, &body); err != nil {
		return r, err
	}
	err := json.Unmarshal(body, &r)
	r.ID = id
	return r, err
}

// ciName tells results without a digest apart.
func ciName(r model.CIResult) string {
	if r.Digest != "" {
		return ""
	}
	return r.Reference
}

// ciResultOf is the result that r would take the place of.
func ciResultOf(tx *sql.Tx, r model.CIResult) (old model.CIResult, found bool, err error) {
	rows, err := tx.Query(`SELECT id, body FROM ci_results WHERE producer = ? AND digest = ? AND name = ?`, r.Producer(), r.Digest, ciName(r))
	if err != nil {
		return old, false, fmt.Errorf("store: look up a CI result: %w", err)
	}
	all, err := collect(rows, scanCIResult)
	if err != nil || len(all) == 0 {
		return old, false, err
	}
	return all[0], true, nil
}

func insertCIResult(tx *sql.Tx, r model.CIResult, contents []byte) (id int64, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("store: encode a CI result: %w", err)
	}
	err = tx.QueryRow(`INSERT INTO ci_results (producer, digest, name, document_hash, posted_at, body, contents) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		r.Producer(), r.Digest, ciName(r), r.DocumentHash, r.PostedAt.UnixMilli(), body, contents).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("store: write a CI result: %w", err)
	}
	return id, nil
}

// postAgain writes when a result was last posted.
func postAgain(tx *sql.Tx, r model.CIResult) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("store: encode CI result %d: %w", r.ID, err)
	}
	if _, err := tx.Exec(`UPDATE ci_results SET posted_at = ?, body = ? WHERE id = ?`, r.PostedAt.UnixMilli(), body, r.ID); err != nil {
		return fmt.Errorf("store: write CI result %d: %w", r.ID, err)
	}
	return nil
}

func forgetCIResult(tx *sql.Tx, id int64) error {
	if _, err := tx.Exec(`DELETE FROM ci_results WHERE id = ?`, id); err != nil {
		return fmt.Errorf("store: remove CI result %d: %w", id, err)
	}
	return nil
}
