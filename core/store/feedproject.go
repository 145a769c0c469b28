package store

import (
	"database/sql"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
)

// project writes a record that arrived by the feed into the tables of the
// service it concerns, under the origin "fed". A key or payload that this version
// cannot read is like a kind that it does not know: it is kept raw, so that the
// stream goes on and a later version finds it. packed is the payload as the codec
// compressed it, nil when it did not.
func (c payloadCodec) project(tx *sql.Tx, r syncer.Record, packed []byte) error {
	if len(r.Payload) == 0 {
		return nil // nothing that we publish is empty
	}
	err := c.projectKind(tx, r, packed)
	if fault.KindOf(err) == fault.Invalid {
		return nil
	}
	return err
}

func (c payloadCodec) projectKind(tx *sql.Tx, r syncer.Record, packed []byte) error {
	compressed := func() []byte {
		if packed == nil {
			packed = c.compress(r.Payload)
		}
		return packed
	}
	switch feed.Kind(r.Kind) {
	case feed.KindSettings:
		return projectAs(tx, r, putFedSettings)
	case feed.KindMatched:
		return projectAs(tx, r, func(tx *sql.Tx, db model.DBVersion) error { return putMatchedDB(tx, model.Federated, db) })
	case feed.KindRule:
		return putRule(tx, model.Federated, r.Key, r.Payload)
	case feed.KindRegistry:
		return projectAs(tx, r, func(tx *sql.Tx, reg model.Registry) error { return putRegistry(tx, model.Federated, reg) })
	case feed.KindVerdict:
		return projectAs(tx, r, func(tx *sql.Tx, v model.Verdict) error { return putVerdict(tx, model.Federated, v) })
	case feed.KindTag:
		return projectAs(tx, r, func(tx *sql.Tx, t model.Tag) error { return putTag(tx, model.Federated, t) })
	case feed.KindIndex:
		return projectAs(tx, r, putIndex)
	case feed.KindFindings:
		if r.Key != r.Hash.String() {
			return fault.New(fault.Invalid, "store: findings %q have the hash %s", r.Key, r.Hash)
		}
		return putPackedFindings(tx, r.Key, compressed())
	case feed.KindImage:
		return projectAs(tx, r, func(tx *sql.Tx, img model.Image) error { return putImage(tx, model.Federated, img) })
	case feed.KindInventory:
		return projectAs(tx, r, func(tx *sql.Tx, refers inventoryRefs) error {
			return putPackedInventory(tx, model.Federated, model.Digest(r.Key), refers.sets(), compressed())
		})
	case feed.KindPackageSet:
		return putPackedSet(tx, r.Key, compressed())
	}
	return nil
}

// inventoryRefs is the part of an inventory that names its package sets.
type inventoryRefs struct {
	Sources []struct {
		Set string `json:"set"`
	} `json:"sources"`
}

func (r inventoryRefs) sets() []string {
	sets := make([]string, 0, len(r.Sources))
	for _, source := range r.Sources {
		sets = append(sets, source.Set)
	}
	return sets
}

func projectAs[T any](tx *sql.Tx, r syncer.Record, put func(*sql.Tx, T) error) error {
	var v T
	err := feed.Decode(feed.Record{Kind: feed.Kind(r.Kind), Key: r.Key, Payload: r.Payload}, &v)
	if err != nil {
		return err
	}
	return put(tx, v)
}

// unproject removes what project wrote. Finding lists and package sets that
// something still names stay, and the sweep collects them later: they are named
// by their content and shared with this cluster's own images.
func unproject(tx *sql.Tx, r syncer.Record) error {
	var err error
	switch feed.Kind(r.Kind) {
	case feed.KindSettings:
		err = putFedSettings(tx, model.FedSettings{})
	case feed.KindMatched:
		_, err = tx.Exec(`DELETE FROM meta WHERE name = ?`, matchedName(model.Federated))
	case feed.KindRule:
		err = deleteRule(tx, model.Federated, r.Key)
	case feed.KindRegistry:
		err = deleteRegistry(tx, model.Federated, r.Key)
	case feed.KindVerdict:
		if v, ok := feed.ParseVerdictKey(r.Key); ok {
			err = deleteVerdict(tx, model.Federated, v)
		}
	case feed.KindTag:
		if t, ok := feed.ParseTagKey(r.Key); ok {
			err = deleteTag(tx, model.Federated, t)
		}
	case feed.KindIndex:
		// The children are content without an origin: a registry of this cluster may have listed them too.
		_, err = tx.Exec(`DELETE FROM index_children WHERE index_digest = ?
			AND NOT EXISTS (SELECT 1 FROM index_manifests WHERE digest = ?)`, r.Key, r.Key)
	case feed.KindFindings:
		_, err = tx.Exec(`DELETE FROM finding_lists WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM verdicts WHERE findings = ?)`, r.Key, r.Key)
	case feed.KindPackageSet:
		_, err = tx.Exec(`DELETE FROM package_sets WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM inventory_sets WHERE hash = ?)`, r.Key, r.Key)
	case feed.KindImage:
		err = deleteImage(tx, model.Federated, model.Digest(r.Key))
	case feed.KindInventory:
		err = deleteInventory(tx, model.Federated, model.Digest(r.Key))
	}
	if err != nil && fault.KindOf(err) != fault.Invalid {
		return fmt.Errorf("store: remove %s %q: %w", r.Kind, r.Key, err)
	}
	return nil
}
