package store

import (
	"database/sql"
	"fmt"

	"github.com/muster-sec/muster/core/model"
)

// The functions of this file write and remove single facts within a
// transaction, like those of results.go; scans and the projection of the feed
// share them. Content-addressed facts are never removed by name: another image
// may have them too, and a sweep collects what nothing refers to any more.

// putPackedInventory writes what was found in an image, given as inventory.Inventory
// in JSON under zstd, and which package sets it refers to.
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
	if origin == model.Local {
		if _, err := tx.Exec(`DELETE FROM matched_ahead WHERE digest = ?`, digest); err != nil {
			return fmt.Errorf("store: remove the inventory of %s: %w", digest, err)
		}
	}
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

// putPackedSet writes a package set, given as its canonical bytes under zstd.
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
