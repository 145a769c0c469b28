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
// names an image by digest, and publishes it where CI results travel.
func (s *Store) recordCI(tx *sql.Tx, r model.CIResult, list model.FindingList, img model.Image) error {
	if err := putFindings(tx, list); err != nil {
		return err
	}
	verdict := model.Verdict{
		Digest: r.Digest, ImageID: r.ImageID, Source: model.SourceCI, Producer: r.Producer(), Counts: r.Counts,
		RunAsRoot: img.User != "" && img.RunsAsRoot(), // a user that the document does not tell is not known to be root
		OS:        img.OS, ScannedAt: r.PostedAt, Findings: list.Hash,
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
// and, while no scan of our own knows better, the image.
func (s *Store) publishCI(tx *sql.Tx, r model.CIResult) error {
	var verdict, packed, image []byte
	err := tx.QueryRow(`SELECT v.body, f.body, coalesce(i.body, '') FROM verdicts v
		JOIN finding_lists f ON f.hash = v.findings LEFT JOIN images i ON i.digest = v.digest AND i.origin = v.origin
		WHERE v.origin = ? AND v.digest = ? AND v.source = ? AND v.producer = ?`,
		model.Local, r.Digest, model.SourceCI, r.Producer()).Scan(&verdict, &packed, &image)
	if err != nil {
		return fmt.Errorf("store: read the verdict of CI result %d: %w", r.ID, err)
	}
	var list json.RawMessage
	if err := unpack(packed, &list); err != nil {
		return fmt.Errorf("store: unpack findings %s: %w", r.Findings, err)
	}
	records := []feed.Record{
		{Scope: feed.ScopeAll, Kind: feed.KindVerdict, Key: ciVerdictKey(r), Payload: verdict},
		{Scope: feed.ScopeAll, Kind: feed.KindFindings, Key: r.Findings, Payload: list},
	}
	scanned, err := exists(tx, ownScanOf, model.SourceScan, r.Digest)
	if err != nil {
		return err
	}
	if !scanned && len(image) > 0 {
		records = append(records, feed.Record{Scope: feed.ScopeAll, Kind: feed.KindImage, Key: string(r.Digest), Payload: image})
	}
	return s.publish(tx, records...)
}

const (
	ownScanOf   = `SELECT 1 FROM verdicts WHERE source = ? AND digest = ?`
	ownScanWith = `SELECT 1 FROM verdicts WHERE source = ? AND findings = ?`
)

// retractCI takes back from the members what only this CI result gave them.
func (s *Store) retractCI(tx *sql.Tx, r model.CIResult) error {
	records := []feed.Record{feed.Delete(feed.KindVerdict, ciVerdictKey(r))}
	shared, err := exists(tx, ownScanWith, model.SourceScan, r.Findings)
	if err != nil {
		return err
	}
	if !shared {
		records = append(records, feed.Delete(feed.KindFindings, r.Findings))
	}
	scanned, err := exists(tx, ownScanOf, model.SourceScan, r.Digest)
	if err != nil {
		return err
	}
	if !scanned {
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
	_, err := tx.Exec(`DELETE FROM verdicts WHERE origin = ? AND digest = ? AND source = ? AND producer = ?`,
		model.Local, r.Digest, model.SourceCI, r.Producer())
	if err != nil {
		return fmt.Errorf("store: remove the verdict of CI result %d: %w", r.ID, err)
	}
	records := []feed.Record{feed.Delete(feed.KindVerdict, ciVerdictKey(r))}
	known, err := exists(tx, `SELECT 1 FROM verdicts WHERE digest = ? UNION ALL SELECT 1 FROM tags WHERE digest = ?
		UNION ALL SELECT 1 FROM index_children WHERE digest = ?`, r.Digest, r.Digest, r.Digest)
	if err != nil {
		return err
	}
	if !known {
		if _, err := tx.Exec(`DELETE FROM images WHERE origin = ? AND digest = ?`, model.Local, r.Digest); err != nil {
			return fmt.Errorf("store: remove image %s: %w", r.Digest, err)
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
