package store

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/muster-sec/muster/core/model"
)

// The functions of this file write and remove single facts within a
// transaction, like those of results.go; scans and the projection of the feed
// share them. Content-addressed facts are never removed by name: another image
// may have them too, and a sweep collects what nothing refers to any more.

// putInventory writes what was found in an image, given as JSON of inventory.Inventory.
func putInventory(tx *sql.Tx, origin model.Origin, digest model.Digest, body []byte) error {
	var refers struct {
		Sources []struct {
			Set string `json:"set"`
		} `json:"sources"`
	}
	if err := json.Unmarshal(body, &refers); err != nil {
		return fmt.Errorf("store: decode the inventory of %s: %w", digest, err)
	}
	sets := make([]string, 0, len(refers.Sources))
	for _, src := range refers.Sources {
		sets = append(sets, src.Set)
	}
	packed, err := packBytes(body)
	if err != nil {
		return fmt.Errorf("store: pack the inventory of %s: %w", digest, err)
	}
	return putPackedInventory(tx, origin, digest, sets, packed)
}

func putPackedInventory(tx *sql.Tx, origin model.Origin, digest model.Digest, sets []string, packed []byte) error {
	if _, err := tx.Exec(`DELETE FROM inventory_sets WHERE origin = ? AND digest = ?`, origin, digest); err != nil {
		return fmt.Errorf("store: write the inventory of %s: %w", digest, err)
	}
	_, err := tx.Exec(`INSERT INTO inventories (origin, digest, analyzers, body) VALUES (?, ?, '', ?)
		ON CONFLICT (origin, digest) DO UPDATE SET body = excluded.body`, origin, digest, packed)
	if err != nil {
		return fmt.Errorf("store: write the inventory of %s: %w", digest, err)
	}
	refer, err := tx.Prepare(`INSERT INTO inventory_sets (origin, digest, hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`)
	if err != nil {
		return fmt.Errorf("store: write the inventory of %s: %w", digest, err)
	}
	defer refer.Close()
	for _, hash := range sets {
		if _, err := refer.Exec(origin, digest, hash); err != nil {
			return fmt.Errorf("store: write the inventory of %s: %w", digest, err)
		}
	}
	return nil
}

// deleteInventory removes what was found in an image; its package sets stay.
func deleteInventory(tx *sql.Tx, origin model.Origin, digest model.Digest) error {
	for _, q := range []string{
		`DELETE FROM inventory_sets WHERE origin = ? AND digest = ?`,
		`DELETE FROM inventories WHERE origin = ? AND digest = ?`,
	} {
		if _, err := tx.Exec(q, origin, digest); err != nil {
			return fmt.Errorf("store: remove the inventory of %s: %w", digest, err)
		}
	}
	return nil
}

// putPackageSet writes a package set, given as its canonical bytes.
func putPackageSet(tx *sql.Tx, hash string, body []byte) error {
	packed, err := packBytes(body)
	if err != nil {
		return fmt.Errorf("store: pack package set %s: %w", hash, err)
	}
	return putPackedSet(tx, hash, packed)
}

func putPackedSet(tx *sql.Tx, hash string, packed []byte) error {
	if _, err := tx.Exec(`INSERT INTO package_sets (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING`, hash, packed); err != nil {
		return fmt.Errorf("store: write package set %s: %w", hash, err)
	}
	return nil
}

func deleteImage(tx *sql.Tx, origin model.Origin, digest model.Digest) error {
	if _, err := tx.Exec(`DELETE FROM images WHERE origin = ? AND digest = ?`, origin, digest); err != nil {
		return fmt.Errorf("store: remove image %s: %w", digest, err)
	}
	return nil
}

func deleteTag(tx *sql.Tx, origin model.Origin, t model.Tag) error {
	_, err := tx.Exec(`DELETE FROM tags WHERE origin = ? AND registry = ? AND repository = ? AND tag = ?`, origin, t.Registry, t.Repository, t.Tag)
	if err != nil {
		return fmt.Errorf("store: remove tag %s/%s:%s: %w", t.Registry, t.Repository, t.Tag, err)
	}
	return nil
}

func deleteVerdict(tx *sql.Tx, origin model.Origin, v model.Verdict) error {
	_, err := tx.Exec(`DELETE FROM verdicts WHERE origin = ? AND digest = ? AND source = ? AND producer = ?`, origin, v.Digest, v.Source, v.Producer)
	if err != nil {
		return fmt.Errorf("store: remove the verdict of %s: %w", v.Digest, err)
	}
	return nil
}

func deleteIndex(tx *sql.Tx, digest model.Digest) error {
	if _, err := tx.Exec(`DELETE FROM index_children WHERE index_digest = ?`, digest); err != nil {
		return fmt.Errorf("store: remove index %s: %w", digest, err)
	}
	return nil
}
