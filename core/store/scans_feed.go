package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// federate publishes an image for a registry that is federated, unless it is
// published already.
func (s *Store) federate(tx *sql.Tx, registry string, digest model.Digest) error {
	if !model.IsFederatedName(registry) {
		return nil
	}
	published, err := isFederated(tx, digest)
	if err != nil || published {
		return err
	}
	return s.publishImage(tx, digest)
}

// federateAgain publishes an image whose content may have changed: for a
// federated registry, or because it was published before.
func (s *Store) federateAgain(tx *sql.Tx, registry string, digest model.Digest) error {
	published, err := isFederated(tx, digest)
	if err != nil || !published && !model.IsFederatedName(registry) {
		return err
	}
	return s.publishImage(tx, digest)
}

func isFederated(tx *sql.Tx, digest model.Digest) (bool, error) {
	var federated bool
	err := tx.QueryRow(`SELECT federated FROM images WHERE origin = 'local' AND digest = ?`, digest).Scan(&federated)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("store: read image %s: %w", digest, err)
	}
	return federated, nil
}

// publishImage puts all that is known of a local image into the feed: verdict
// and findings, the image, its inventory and package sets. What the feed has
// already costs no revision.
func (s *Store) publishImage(tx *sql.Tx, digest model.Digest) error {
	img, err := readImage(tx, model.Local, digest)
	if err != nil || img.Digest == "" {
		return err
	}
	rec, err := feed.Put(feed.KindImage, string(digest), img)
	if err != nil {
		return err
	}
	records := []feed.Record{rec}
	v, err := ownVerdict(tx, digest)
	if err != nil {
		return err
	}
	if v != nil {
		add, err := verdictRecords(tx, *v)
		if err != nil {
			return err
		}
		records = append(records, add...)
	}
	add, err := inventoryRecords(tx, digest)
	if err != nil {
		return err
	}
	if err := s.publish(tx, append(records, add...)...); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE images SET federated = 1 WHERE origin = 'local' AND digest = ?`, digest); err != nil {
		return fmt.Errorf("store: mark image %s as published: %w", digest, err)
	}
	return nil
}

// verdictRecords are a verdict and the finding list it names.
func verdictRecords(tx *sql.Tx, v model.Verdict) ([]feed.Record, error) {
	rec, err := feed.Put(feed.KindVerdict, feed.VerdictKey(v), v)
	if err != nil {
		return nil, err
	}
	list, err := packedRecord(tx, feed.KindFindings, v.Findings, `SELECT body FROM finding_lists WHERE hash = ?`, v.Findings)
	if err != nil {
		return nil, err
	}
	return append(list, rec), nil
}

func inventoryRecords(tx *sql.Tx, digest model.Digest) ([]feed.Record, error) {
	records, err := packedRecord(tx, feed.KindInventory, string(digest), `SELECT body FROM inventories WHERE origin = 'local' AND digest = ?`, digest)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	sets, err := column[string](tx.Query(`SELECT hash FROM inventory_sets WHERE origin = 'local' AND digest = ? ORDER BY hash`, digest))
	if err != nil {
		return nil, err
	}
	for _, hash := range sets {
		set, err := packedRecord(tx, feed.KindPackageSet, hash, `SELECT body FROM package_sets WHERE hash = ?`, hash)
		if err != nil {
			return nil, err
		}
		records = append(set, records...)
	}
	return records, nil
}

// packedRecord makes a record out of a stored, compressed body; none when the
// row is not there.
func packedRecord(tx *sql.Tx, kind feed.Kind, key, query string, arg any) ([]feed.Record, error) {
	var body []byte
	err := tx.QueryRow(query, arg).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: read %s %s: %w", kind, key, err)
	}
	plain, err := unpackBytes(body)
	if err != nil {
		return nil, fmt.Errorf("store: unpack %s %s: %w", kind, key, err)
	}
	return []feed.Record{{Scope: feed.ScopeAll, Kind: kind, Key: key, Payload: plain}}, nil
}

// withdrawImage takes a local image out of the feed, with the package sets that
// no other published image has.
func (s *Store) withdrawImage(tx *sql.Tx, digest model.Digest) error {
	sets, err := column[string](tx.Query(`SELECT hash FROM inventory_sets s WHERE s.origin = 'local' AND s.digest = ? AND NOT EXISTS (
		SELECT 1 FROM inventory_sets o JOIN images i ON i.origin = o.origin AND i.digest = o.digest
		WHERE o.hash = s.hash AND o.digest <> s.digest AND i.federated = 1)`, digest))
	if err != nil {
		return err
	}
	records := []feed.Record{
		feed.Delete(feed.KindVerdict, feed.VerdictKey(model.Verdict{Digest: digest, Source: model.SourceScan})),
		feed.Delete(feed.KindImage, string(digest)),
		feed.Delete(feed.KindInventory, string(digest)),
	}
	for _, hash := range sets {
		records = append(records, feed.Delete(feed.KindPackageSet, hash))
	}
	if err := s.publish(tx, records...); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE images SET federated = 0 WHERE origin = 'local' AND digest = ?`, digest); err != nil {
		return fmt.Errorf("store: mark image %s as withdrawn: %w", digest, err)
	}
	return nil
}

// column reads the rows of a query with one column.
func column[T any](rows *sql.Rows, err error) ([]T, error) {
	if err != nil {
		return nil, fmt.Errorf("store: read a column: %w", err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("store: read a column: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
