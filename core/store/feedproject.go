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
func project(tx *sql.Tx, r syncer.Record) error {
	err := projectKind(tx, r)
	if fault.KindOf(err) == fault.Invalid {
		return nil
	}
	return err
}

func projectKind(tx *sql.Tx, r syncer.Record) error {
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
		return projectAs(tx, r, func(tx *sql.Tx, list model.FindingList) error {
			list.Hash = r.Key
			return putFindings(tx, list)
		})
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
