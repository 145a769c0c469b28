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
// stream goes on and a later version finds it.
func (c payloadCodec) project(tx *sql.Tx, r syncer.Record) error {
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
	case feed.KindVerdict:
		return projectAs(tx, r, func(tx *sql.Tx, v model.Verdict) error { return putVerdict(tx, model.Federated, v) })
	case feed.KindTag:
		return projectAs(tx, r, func(tx *sql.Tx, t model.Tag) error { return putTag(tx, model.Federated, t) })
	case feed.KindIndex:
		return projectAs(tx, r, putIndex)
	case feed.KindFindings:
		return c.projectFindings(tx, r)
	case feed.KindImage:
		return projectAs(tx, r, func(tx *sql.Tx, img model.Image) error { return putImage(tx, model.Federated, img) })
	}
	return nil
}

func projectAs[T any](tx *sql.Tx, r syncer.Record, put func(*sql.Tx, T) error) error {
	var v T
	err := feed.Decode(feed.Record{Kind: feed.Kind(r.Kind), Key: r.Key, Payload: r.Payload}, &v)
	if err != nil {
		return err
	}
	return put(tx, v)
}

// projectFindings keeps a finding list as it came: what is stored is its JSON
// under zstd, and so is what travels. A list whose key is not the hash of its
// content is not the list that verdicts mean.
func (c payloadCodec) projectFindings(tx *sql.Tx, r syncer.Record) error {
	if r.Key != r.Hash.String() {
		return fault.New(fault.Invalid, "store: findings %q have the hash %s", r.Key, r.Hash)
	}
	_, err := tx.Exec(`INSERT INTO finding_lists (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING`, r.Key, c.compress(r.Payload))
	if err != nil {
		return fmt.Errorf("store: write findings %s: %w", r.Key, err)
	}
	return nil
}

// unproject removes what project wrote. Finding lists stay: they are named by
// their content and shared, and the sweep collects those nobody names.
func unproject(tx *sql.Tx, r syncer.Record) error {
	var err error
	switch feed.Kind(r.Kind) {
	case feed.KindSettings:
		err = putFedSettings(tx, model.FedSettings{})
	case feed.KindRule:
		err = deleteRule(tx, model.Federated, r.Key)
	case feed.KindVerdict:
		if digest, source, producer, ok := feed.ParseVerdictKey(r.Key); ok {
			_, err = tx.Exec(`DELETE FROM verdicts WHERE origin = ? AND digest = ? AND source = ? AND producer = ?`,
				model.Federated, digest, source, producer)
		}
	case feed.KindTag:
		if registry, repository, tag, ok := feed.ParseTagKey(r.Key); ok {
			_, err = tx.Exec(`DELETE FROM tags WHERE origin = ? AND registry = ? AND repository = ? AND tag = ?`,
				model.Federated, registry, repository, tag)
		}
	case feed.KindImage:
		_, err = tx.Exec(`DELETE FROM images WHERE origin = ? AND digest = ?`, model.Federated, r.Key)
	}
	if err != nil && fault.KindOf(err) != fault.Invalid {
		return fmt.Errorf("store: remove %s %q: %w", r.Kind, r.Key, err)
	}
	return nil
}
