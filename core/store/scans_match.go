package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// MatchedDB is the vulnerability database that all stored findings answer to;
// the zero value before the first.
func (s *Store) MatchedDB(ctx context.Context) (version model.DBVersion, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		version, err = matchedDB(ctx, tx)
		return err
	})
	return version, err
}

// MatchKeys yields every distinct thing that is looked up in the vulnerability
// database, with the answer it had.
func (s *Store) MatchKeys(ctx context.Context, yield func(id int64, name, answer string) error) error {
	rows, err := s.reads.QueryContext(ctx, `SELECT id, name, answer FROM match_keys ORDER BY id`)
	if err != nil {
		return fmt.Errorf("store: read match keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var name, answer string
		if err := rows.Scan(&id, &name, &answer); err != nil {
			return fmt.Errorf("store: read match keys: %w", err)
		}
		if err := yield(id, name, answer); err != nil {
			return err
		}
	}
	return rows.Err()
}

// MatchedImages yields every image that was scanned here. An image is to be
// skipped when registries have it and all of them say so.
func (s *Store) MatchedImages(ctx context.Context, yield func(model.MatchedImage) error) error {
	skipped, err := s.skipped(ctx)
	if err != nil {
		return err
	}
	rows, err := s.reads.QueryContext(ctx, `SELECT i.digest, i.keys, v.digest IS NOT NULL, a.digest IS NOT NULL, coalesce(a.revision, '') FROM inventories i
		LEFT JOIN matched_ahead a ON a.digest = i.digest
		LEFT JOIN verdicts v ON v.origin = 'local' AND v.digest = i.digest AND v.source = 'scan' AND v.producer = ''
		WHERE i.origin = 'local'`)
	if err != nil {
		return fmt.Errorf("store: read inventories: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m model.MatchedImage
		var keys []byte
		if err := rows.Scan(&m.Digest, &keys, &m.Answered, &m.Ahead, &m.Revision); err != nil {
			return fmt.Errorf("store: read inventories: %w", err)
		}
		if m.Keys, err = decodeKeys(keys); err != nil {
			return err
		}
		m.Skip = skipped[m.Digest]
		if err := yield(m); err != nil {
			return err
		}
	}
	return rows.Err()
}

// skipped are the images that only registries have which do not want them
// looked up again when the database changes.
func (s *Store) skipped(ctx context.Context) (map[model.Digest]bool, error) {
	registries, err := s.administered(ctx)
	if err != nil {
		return nil, err
	}
	skipped := map[model.Digest]bool{}
	for _, r := range registries {
		if r.RescanAfterDBUpdate {
			continue
		}
		if err := s.digestsOf(ctx, r.Name, func(d model.Digest) { skipped[d] = true }); err != nil {
			return nil, err
		}
	}
	if len(skipped) == 0 {
		return nil, nil
	}
	for _, r := range registries {
		if !r.RescanAfterDBUpdate {
			continue
		}
		if err := s.digestsOf(ctx, r.Name, func(d model.Digest) { delete(skipped, d) }); err != nil {
			return nil, err
		}
	}
	return skipped, nil
}

// digestsOf calls yield with the images that a registry's tags lead to.
func (s *Store) digestsOf(ctx context.Context, name string, yield func(model.Digest)) error {
	digests, err := column[string](s.reads.QueryContext(ctx, `SELECT coalesce(c.digest, t.digest) FROM tags t
		LEFT JOIN index_children c ON c.index_digest = t.digest WHERE t.origin = 'local' AND t.registry = ?`, name))
	if err != nil {
		return err
	}
	for _, d := range digests {
		yield(model.Digest(d))
	}
	return nil
}

// SaveMatched writes new answers for images, and publishes those of federated
// ones. An answer that says what the old one said is not written.
func (s *Store) SaveMatched(ctx context.Context, changed []model.Rematched) (saved model.SavedMatches, err error) {
	packed := make([][]byte, len(changed))
	for i, c := range changed {
		if packed[i], err = s.packFindings(c.Findings); err != nil {
			return saved, err
		}
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		saved = model.SavedMatches{} // a transaction may be run again
		for i, c := range changed {
			written, err := keepVerdict(tx, c.Verdict, packed[i])
			if err != nil {
				return err
			}
			if err := noteAnswered(tx, c.Verdict.Digest, c.Verdict.DB.Revision); err != nil {
				return err
			}
			if !written {
				continue
			}
			published, err := s.publishVerdict(tx, c)
			if err != nil {
				return err
			}
			saved.Images++
			if published {
				saved.Federated++
			}
		}
		return nil
	})
	return saved, err
}

// MemberCount is how many clusters receive what is published here.
func (s *Store) MemberCount(ctx context.Context) (n int, err error) {
	if err := s.reads.QueryRowContext(ctx, `SELECT count(*) FROM fed_clusters`).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: count members: %w", err)
	}
	return n, nil
}

// noteAnswered keeps to which revision of the database an image answers, where
// that is not the one that all others answer to. Without it, a database that is
// replaced before its re-match ended would leave answers behind that nobody doubts.
func noteAnswered(tx *sql.Tx, digest model.Digest, revision string) error {
	current, err := matchedDB(context.Background(), tx)
	if err != nil {
		return err
	}
	if revision != "" && revision == current.Revision {
		_, err = tx.Exec(`DELETE FROM matched_ahead WHERE digest = ?`, digest)
	} else {
		_, err = tx.Exec(`INSERT INTO matched_ahead (digest, revision) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET revision = excluded.revision`, digest, revision)
	}
	if err != nil {
		return fmt.Errorf("store: note to what %s answers: %w", digest, err)
	}
	return nil
}

func (s *Store) publishVerdict(tx *sql.Tx, c model.Rematched) (published bool, err error) {
	published, err = isFederated(tx, c.Verdict.Digest)
	if err != nil || !published {
		return false, err
	}
	verdict, err := feed.Put(feed.KindVerdict, feed.VerdictKey(c.Verdict), c.Verdict)
	if err != nil {
		return false, err
	}
	list, err := feed.Put(feed.KindFindings, c.Findings.Hash, c.Findings)
	if err != nil {
		return false, err
	}
	return true, s.publish(tx, list, verdict)
}

// EndMatch says that all findings now answer to the database: it keeps the
// answers that changed, by key, and marks the images that were not looked up.
func (s *Store) EndMatch(ctx context.Context, db model.DBVersion, answers map[int64]string, stale []model.Digest) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		update, err := tx.Prepare(`UPDATE match_keys SET answer = ? WHERE id = ?`)
		if err != nil {
			return fmt.Errorf("store: write answers: %w", err)
		}
		defer update.Close()
		for id, answer := range answers {
			if _, err := update.Exec(answer, id); err != nil {
				return fmt.Errorf("store: write the answer of key %d: %w", id, err)
			}
		}
		for _, digest := range stale {
			if err := s.markStale(tx, digest); err != nil {
				return fmt.Errorf("store: mark %s as stale: %w", digest, err)
			}
		}
		if _, err := tx.Exec(`DELETE FROM matched_ahead`); err != nil {
			return fmt.Errorf("store: end a re-match: %w", err)
		}
		if err := putMatchedDB(tx, model.Local, db); err != nil {
			return err
		}
		return s.publishMatchedDB(tx)
	})
}

// markStale notes that a newer database would answer differently for an image.
func (s *Store) markStale(tx *sql.Tx, digest model.Digest) error {
	if _, err := tx.Exec(`UPDATE inventories SET stale = 1 WHERE origin = 'local' AND digest = ?`, digest); err != nil {
		return err
	}
	v, err := ownVerdict(tx, digest)
	if err != nil || v == nil || v.Outdated {
		return err
	}
	v.Outdated = true
	if err := putVerdict(tx, model.Local, *v); err != nil {
		return err
	}
	published, err := isFederated(tx, digest)
	if err != nil || !published {
		return err
	}
	record, err := feed.Put(feed.KindVerdict, feed.VerdictKey(*v), v)
	if err != nil {
		return err
	}
	return s.publish(tx, record)
}

func putMatchedDB(tx *sql.Tx, origin model.Origin, db model.DBVersion) error {
	body, err := json.Marshal(db)
	if err != nil {
		return fmt.Errorf("store: encode a database version: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, matchedName(origin), string(body))
	if err != nil {
		return fmt.Errorf("store: write which database findings answer to: %w", err)
	}
	return nil
}

// publishMatchedDB tells members which database the results answer to.
func (s *Store) publishMatchedDB(tx *sql.Tx) error {
	db, err := matchedDB(context.Background(), tx)
	if err != nil || db.Revision == "" {
		return err
	}
	record, err := feed.Put(feed.KindMatched, string(feed.KindMatched), db)
	if err != nil {
		return err
	}
	return s.publish(tx, record)
}
