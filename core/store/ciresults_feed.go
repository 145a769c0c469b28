package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// recordCI writes what admission and the read models use of a CI result that
// names an image by digest, and publishes it where CI results travel. The
// finding list comes packed: one writer serves everybody.
func (s *Store) recordCI(tx *sql.Tx, r model.CIResult, list []byte, img model.Image) error {
	if err := putPackedFindings(tx, r.Findings, list); err != nil {
		return err
	}
	verdict := model.Verdict{
		Digest: r.Digest, ImageID: r.ImageID, Source: model.SourceCI, Producer: r.Producer(), Counts: r.Counts,
		RunAsRoot: img.User != "" && img.RunsAsRoot(), // a user that the document does not tell is not known to be root
		OS:        img.OS, ScannedAt: r.AsOf(), Findings: r.Findings,
	}
	if err := putVerdict(tx, model.Local, verdict); err != nil {
		return err
	}
	known, err := exists(tx, `SELECT 1 FROM images WHERE digest = ?`, r.Digest)
	if err != nil {
		return err
	}
	if !known {
		img.Digest, img.ImageID, img.Status = r.Digest, r.ImageID, model.ImageFinished
		if err := putImage(tx, model.Local, img); err != nil {
			return err
		}
	}
	settings, err := readFedSettings(tx)
	if err != nil || !settings.SyncCIResults {
		return err
	}
	return s.publishCI(tx, r)
}

// republishCI sends all CI results to the members, or takes all of them back,
// when the setting that lets them travel has changed. It is called in the
// transaction that changes the setting.
func (s *Store) republishCI(tx *sql.Tx, on bool) error {
	rows, err := tx.Query(`SELECT id, body FROM ci_results WHERE digest <> '' ORDER BY id`)
	if err != nil {
		return fmt.Errorf("store: read CI results: %w", err)
	}
	results, err := collect(rows, scanCIResult)
	if err != nil {
		return fmt.Errorf("store: read CI results: %w", err)
	}
	act := s.retractCI
	if on {
		act = s.publishCI
	}
	for _, r := range results {
		if err := act(tx, r); err != nil {
			return err
		}
	}
	return nil
}

// publishCI sends what was recorded of a CI result: the verdict, its findings
// and, unless a federated registry has published it, the image.
func (s *Store) publishCI(tx *sql.Tx, r model.CIResult) error {
	var body []byte
	var v model.Verdict
	err := tx.QueryRow(`SELECT body FROM verdicts WHERE origin = ? AND digest = ? AND source = ? AND producer = ?`,
		model.Local, r.Digest, model.SourceCI, r.Producer()).Scan(&body)
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil {
		return fmt.Errorf("store: read the verdict of CI result %d: %w", r.ID, err)
	}
	records, err := verdictRecords(tx, v)
	if err != nil {
		return err
	}
	published, err := isFederated(tx, r.Digest)
	if err != nil {
		return err
	}
	if !published {
		img, err := ciImage(tx, v)
		if err != nil {
			return err
		}
		rec, err := feed.Put(feed.KindImage, string(r.Digest), img)
		if err != nil {
			return err
		}
		records = append(records, rec)
	}
	return s.publish(tx, records...)
}

// ciImage is what members may know of an image for the sake of a CI result:
// what the pipeline said, never what a local registry's scan found out.
func ciImage(tx *sql.Tx, v model.Verdict) (model.Image, error) {
	stub := model.Image{Digest: v.Digest, ImageID: v.ImageID, OS: v.OS, Status: model.ImageFinished}
	if own, err := ownVerdict(tx, v.Digest); err != nil || own != nil {
		return stub, err
	}
	if img, err := readImage(tx, model.Local, v.Digest); err != nil || img.Status == model.ImageFinished {
		return img, err
	}
	return stub, nil
}

// retractCI takes back from the members what only this CI result gave them.
func (s *Store) retractCI(tx *sql.Tx, r model.CIResult) error {
	records := []feed.Record{feed.Delete(feed.KindVerdict, ciVerdictKey(r))}
	shared, err := exists(tx, `SELECT 1 FROM verdicts v JOIN images i ON i.origin = v.origin AND i.digest = v.digest
		WHERE i.federated = 1 AND v.source = ? AND v.findings = ?`, model.SourceScan, r.Findings)
	if err != nil {
		return err
	}
	if !shared {
		records = append(records, feed.Delete(feed.KindFindings, r.Findings))
	}
	published, err := isFederated(tx, r.Digest)
	if err != nil {
		return err
	}
	if !published {
		records = append(records, feed.Delete(feed.KindImage, string(r.Digest)))
	}
	return s.publish(tx, records...)
}

// dropCI removes the verdict of a result that is no longer kept, here and on
// members, and the image that nothing but it was known of.
func (s *Store) dropCI(tx *sql.Tx, r model.CIResult) error {
	if r.Digest == "" {
		return nil
	}
	verdict := model.Verdict{Digest: r.Digest, Source: model.SourceCI, Producer: r.Producer()}
	if err := deleteVerdict(tx, model.Local, verdict); err != nil {
		return err
	}
	records := []feed.Record{feed.Delete(feed.KindVerdict, ciVerdictKey(r))}
	known, err := exists(tx, `SELECT 1 FROM verdicts WHERE digest = ? UNION ALL SELECT 1 FROM tags WHERE digest = ?
		UNION ALL SELECT 1 FROM index_children WHERE digest = ?`, r.Digest, r.Digest, r.Digest)
	if err != nil {
		return err
	}
	if !known {
		if err := deleteImage(tx, model.Local, r.Digest); err != nil {
			return err
		}
		records = append(records, feed.Delete(feed.KindImage, string(r.Digest)))
	}
	return s.publish(tx, records...)
}

func ciVerdictKey(r model.CIResult) string {
	return feed.VerdictKey(model.Verdict{Digest: r.Digest, Source: model.SourceCI, Producer: r.Producer()})
}

// exists says whether the query gives a row.
func exists(tx *sql.Tx, query string, args ...any) (bool, error) {
	var one int
	err := tx.QueryRow(query+` LIMIT 1`, args...).Scan(&one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("store: look up: %w", err)
	}
	return err == nil, nil
}
