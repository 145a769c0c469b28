package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// sweepAtOnce bounds how much one transaction of a sweep removes, so that
// others who write do not wait for it.
const sweepAtOnce = 200

// Sweep applies retention, in small transactions: images whose last tag went
// long ago, what nothing refers to any more, layers that no scan asked for, runs
// beyond the newest. What members have of it is taken back in the feed.
func (s *Store) Sweep(ctx context.Context, r model.Retention) (swept model.Swept, err error) {
	if err := s.write(ctx, func(tx *sql.Tx) error { return s.markUntagged(tx, r) }); err != nil {
		return swept, err
	}
	if err := s.withdrawUnwanted(ctx); err != nil {
		return swept, err
	}
	for _, step := range []struct {
		count *int
		part  func(*sql.Tx) (int, error)
	}{
		{&swept.Images, func(tx *sql.Tx) (int, error) { return s.sweepImages(tx, r) }},
		{nil, s.sweepIndexes},
		{&swept.FindingLists, func(tx *sql.Tx) (int, error) {
			return s.sweepOrphans(tx, r, orphans{
				table: "finding_lists", kind: feed.KindFindings,
				used: `(EXISTS (SELECT 1 FROM verdicts v WHERE v.findings = finding_lists.hash)
					OR EXISTS (SELECT 1 FROM membership m, feed_records r WHERE m.id = 1 AND m.role = 'managed' AND r.kind = 'findings' AND r.name = finding_lists.hash))`,
			})
		}},
		{&swept.PackageSets, func(tx *sql.Tx) (int, error) {
			return s.sweepOrphans(tx, r, orphans{
				table: "package_sets", kind: feed.KindPackageSet,
				used: `(EXISTS (SELECT 1 FROM inventory_sets v WHERE v.hash = package_sets.hash)
					OR EXISTS (SELECT 1 FROM membership m, feed_records r WHERE m.id = 1 AND m.role = 'managed' AND r.kind = 'packageset' AND r.name = package_sets.hash))`,
			})
		}},
		{&swept.Layers, func(tx *sql.Tx) (int, error) {
			return removed(tx.Exec(`DELETE FROM layers WHERE name IN (SELECT name FROM layers WHERE used_at < ? LIMIT ?)`, millis(r.Now.Add(-r.Layers)), sweepAtOnce))
		}},
		{&swept.Runs, func(tx *sql.Tx) (int, error) {
			return removed(tx.Exec(`DELETE FROM runs WHERE id IN (SELECT o.id FROM runs o WHERE o.state IN ('done', 'failed', 'cancelled')
				AND (SELECT count(*) FROM runs n WHERE n.registry = o.registry AND n.id > o.id) >= ? LIMIT ?)`, r.Runs, sweepAtOnce))
		}},
	} {
		n, err := s.sweepAll(ctx, step.part)
		if step.count != nil {
			*step.count = n
		}
		if err != nil {
			return swept, fmt.Errorf("store: sweep: %w", err)
		}
	}
	return swept, nil
}

// sweepAll repeats a part until it removes less than it may.
func (s *Store) sweepAll(ctx context.Context, part func(*sql.Tx) (int, error)) (total int, err error) {
	for {
		n := 0
		err := s.write(ctx, func(tx *sql.Tx) (err error) {
			n, err = part(tx)
			return err
		})
		total += n
		if err != nil || n < sweepAtOnce {
			return total, err
		}
	}
}

// tagged says that a tag of this cluster leads to images.digest.
const tagged = `(EXISTS (SELECT 1 FROM tags t WHERE t.origin = 'local' AND t.digest = images.digest)
	OR EXISTS (SELECT 1 FROM index_children c JOIN tags t ON t.digest = c.index_digest WHERE t.origin = 'local' AND c.digest = images.digest))`

// kept says that something else than a tag keeps an image: a pipeline's result
// or a scan under way.
const kept = `(EXISTS (SELECT 1 FROM verdicts v WHERE v.digest = images.digest AND v.source = 'ci')
	OR EXISTS (SELECT 1 FROM jobs j WHERE j.digest = images.digest))`

// markUntagged notes since when no tag leads to an image.
func (s *Store) markUntagged(tx *sql.Tx, r model.Retention) error {
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE images SET untagged_since = 0 WHERE origin = 'local' AND untagged_since > 0 AND ` + tagged, nil},
		{`UPDATE images SET untagged_since = ? WHERE origin = 'local' AND untagged_since = 0 AND NOT ` + tagged, []any{millis(r.Now)}},
	} {
		if _, err := tx.Exec(q.sql, q.args...); err != nil {
			return fmt.Errorf("store: look for untagged images: %w", err)
		}
	}
	return nil
}

// withdrawUnwanted takes images out of the feed that no federated registry has
// any more, though they may stay here for a local one.
func (s *Store) withdrawUnwanted(ctx context.Context) error {
	_, err := s.sweepAll(ctx, func(tx *sql.Tx) (int, error) {
		digests, err := column[string](tx.Query(`SELECT digest FROM images WHERE origin = 'local' AND federated = 1 AND untagged_since = 0
			AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.origin = 'local' AND substr(t.registry, 1, 4) = 'fed.' AND t.digest = images.digest)
			AND NOT EXISTS (SELECT 1 FROM index_children c JOIN tags t ON t.digest = c.index_digest
				WHERE t.origin = 'local' AND substr(t.registry, 1, 4) = 'fed.' AND c.digest = images.digest)
			AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.digest = images.digest) LIMIT ?`, sweepAtOnce))
		if err != nil {
			return 0, err
		}
		for _, d := range digests {
			if err := s.withdrawImage(tx, model.Digest(d)); err != nil {
				return 0, err
			}
		}
		return len(digests), nil
	})
	return err
}

func (s *Store) sweepImages(tx *sql.Tx, r model.Retention) (int, error) {
	digests, err := column[string](tx.Query(`SELECT digest FROM images WHERE origin = 'local' AND untagged_since > 0 AND untagged_since <= ? AND NOT `+kept+` LIMIT ?`,
		millis(r.Now.Add(-r.Untagged)), sweepAtOnce))
	if err != nil {
		return 0, err
	}
	for _, name := range digests {
		digest := model.Digest(name)
		published, err := isFederated(tx, digest)
		if err != nil {
			return 0, err
		}
		if published {
			if err := s.withdrawImage(tx, digest); err != nil {
				return 0, err
			}
		}
		if err := deleteInventory(tx, model.Local, digest); err != nil {
			return 0, err
		}
		if err := deleteVerdict(tx, model.Local, model.Verdict{Digest: digest, Source: model.SourceScan}); err != nil {
			return 0, err
		}
		if err := deleteImage(tx, model.Local, digest); err != nil {
			return 0, err
		}
	}
	return len(digests), nil
}

// sweepIndexes forgets multi-platform images that no tag names and of which no
// child is left.
func (s *Store) sweepIndexes(tx *sql.Tx) (int, error) {
	digests, err := column[string](tx.Query(`SELECT digest FROM index_manifests m WHERE NOT EXISTS (SELECT 1 FROM tags t WHERE t.digest = m.digest)
		AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.digest = m.digest)
		AND NOT EXISTS (SELECT 1 FROM index_children c JOIN images i ON i.digest = c.digest WHERE c.index_digest = m.digest) LIMIT ?`, sweepAtOnce))
	if err != nil {
		return 0, err
	}
	for _, name := range digests {
		if err := deleteIndex(tx, model.Digest(name)); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(`DELETE FROM index_manifests WHERE digest = ?`, name); err != nil {
			return 0, fmt.Errorf("store: remove index %s: %w", name, err)
		}
		if err := s.publish(tx, feed.Delete(feed.KindIndex, name)); err != nil {
			return 0, err
		}
	}
	return len(digests), nil
}

// orphans names a table of content-addressed facts and what keeps a row of it.
// On a managed cluster the copy of the feed does so too: while the primary has a
// fact published it does not send it again, though a later record may name it.
type orphans struct {
	table string
	kind  feed.Kind
	used  string
}

// sweepOrphans removes what nothing referred to for a while, so that what is
// soon named again, by a tag that goes back or a scan, need not travel again.
func (s *Store) sweepOrphans(tx *sql.Tx, r model.Retention, o orphans) (int, error) {
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE ` + o.table + ` SET orphan_since = 0 WHERE orphan_since > 0 AND ` + o.used, nil},
		{`UPDATE ` + o.table + ` SET orphan_since = ? WHERE orphan_since = 0 AND NOT ` + o.used, []any{millis(r.Now)}},
	} {
		if _, err := tx.Exec(q.sql, q.args...); err != nil {
			return 0, fmt.Errorf("store: look for orphans in %s: %w", o.table, err)
		}
	}
	hashes, err := column[string](tx.Query(`SELECT hash FROM `+o.table+` WHERE orphan_since > 0 AND orphan_since <= ? LIMIT ?`, millis(r.Now.Add(-r.Orphans)), sweepAtOnce))
	if err != nil {
		return 0, err
	}
	for _, hash := range hashes {
		if _, err := tx.Exec(`DELETE FROM `+o.table+` WHERE hash = ?`, hash); err != nil {
			return 0, fmt.Errorf("store: remove %s %s: %w", o.kind, hash, err)
		}
		if err := s.publish(tx, feed.Delete(o.kind, hash)); err != nil {
			return 0, err
		}
	}
	return len(hashes), nil
}

func removed(done sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := done.RowsAffected()
	return int(n), err
}
