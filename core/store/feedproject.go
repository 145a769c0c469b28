package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
)

// projection is the version of what project does. Raise it whenever project
// learns a kind, or writes one differently: copies are then projected anew.
const projection = "1"

const (
	projectionName = "feed_projection" // the row of table meta that holds the version in use
	projectAtOnce  = 500
)

// Reproject projects the whole copy of the feed again when it was last projected
// by a version that did it differently. It works in small transactions and may be
// repeated after a crash.
func (r *Replica) Reproject(ctx context.Context) error {
	var last string
	err := r.s.reads.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, projectionName).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("store: read the version of the projection: %w", err)
	}
	if last == projection {
		return nil
	}
	for at := (feedPlace{path: []byte{}}); ; {
		var n int
		err := r.s.write(ctx, func(tx *sql.Tx) error {
			n, at, err = r.reprojectAfter(tx, at)
			return err
		})
		if err != nil {
			return fmt.Errorf("store: project the feed again: %w", err)
		}
		if n < projectAtOnce {
			break
		}
	}
	return r.s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, projectionName, projection)
		if err != nil {
			return fmt.Errorf("store: write the version of the projection: %w", err)
		}
		return nil
	})
}

// feedPlace is the place of a record among all.
type feedPlace struct {
	stream int64
	path   []byte
}

func (r *Replica) reprojectAfter(tx *sql.Tx, at feedPlace) (int, feedPlace, error) {
	rows, err := tx.Query(`SELECT stream, path, `+recordColumns+` FROM feed_records
		WHERE stream > ? OR (stream = ? AND path > ?) ORDER BY stream, path LIMIT ?`, at.stream, at.stream, at.path, projectAtOnce)
	if err != nil {
		return 0, at, err
	}
	records, err := collect(rows, func(rows *sql.Rows) (syncer.Record, error) {
		return r.s.feed.codec.scanRecord("", func(dest ...any) error {
			return rows.Scan(append([]any{&at.stream, &at.path}, dest...)...)
		})
	})
	if err != nil {
		return 0, at, err
	}
	for _, record := range records {
		if err := r.s.feed.codec.project(tx, record); err != nil {
			return 0, at, err
		}
	}
	return len(records), at, nil
}

// project writes a record that arrived by the feed into the tables of the
// service it concerns, under the origin "fed". A key or payload that this version
// cannot read is like a kind that it does not know: it is kept raw, so that the
// stream goes on and a later version finds it.
func (c payloadCodec) project(tx *sql.Tx, r syncer.Record) error {
	if len(r.Payload) == 0 {
		return nil // nothing that we publish is empty
	}
	err := c.projectKind(tx, r)
	if fault.KindOf(err) == fault.Invalid {
		return nil
	}
	return err
}

func (c payloadCodec) projectKind(tx *sql.Tx, r syncer.Record) error {
	switch feed.Kind(r.Kind) {
	case feed.KindSettings:
		return projectAs(tx, r, putFedSettings)
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
		return putPackedFindings(tx, r.Key, c.compress(r.Payload))
	case feed.KindImage:
		return projectAs(tx, r, func(tx *sql.Tx, img model.Image) error { return putImage(tx, model.Federated, img) })
	case feed.KindInventory:
		return projectAs(tx, r, func(tx *sql.Tx, refers inventoryRefs) error {
			return putPackedInventory(tx, model.Federated, model.Digest(r.Key), refers.sets(), c.compress(r.Payload))
		})
	case feed.KindPackageSet:
		return putPackedSet(tx, r.Key, c.compress(r.Payload))
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
