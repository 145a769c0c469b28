package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// Tags are the tags of a registry that is administered here, as last listed.
func (s *Store) Tags(ctx context.Context, name string) ([]model.Tag, error) {
	return readTags(s.reads.QueryContext(ctx, selectTags+`WHERE origin = 'local' AND registry = ? ORDER BY repository, tag`, name))
}

// knownAtOnce bounds the placeholders of one query.
const knownAtOnce = 200

// Known tells what is known here of digests; one it has never seen is absent.
func (s *Store) Known(ctx context.Context, digests []model.Digest) (map[model.Digest]model.DigestState, error) {
	known := make(map[model.Digest]model.DigestState, len(digests))
	for part := range slices.Chunk(digests, knownAtOnce) {
		if err := s.known(ctx, part, known); err != nil {
			return nil, fmt.Errorf("store: read what is known of digests: %w", err)
		}
	}
	return known, nil
}

func (s *Store) known(ctx context.Context, digests []model.Digest, known map[model.Digest]model.DigestState) error {
	in, args := placeholders(digests)
	rows, err := s.reads.QueryContext(ctx, `SELECT i.digest, i.status, i.body, coalesce(v.analyzers, ''), coalesce(v.stale, 0)
		FROM images i LEFT JOIN inventories v ON v.origin = i.origin AND v.digest = i.digest
		WHERE i.origin = 'local' AND i.digest IN (`+in+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var digest model.Digest
		var k model.DigestState
		var body []byte
		if err := rows.Scan(&digest, &k.Status, &body, &k.Analyzers, &k.Stale); err != nil {
			return err
		}
		var img model.Image
		if err := json.Unmarshal(body, &img); err != nil {
			return fmt.Errorf("decode image %s: %w", digest, err)
		}
		k.Reason, k.Attached = img.Reason, img.Attached
		known[digest] = k
	}
	if err := rows.Err(); err != nil {
		return err
	}
	indexes, err := s.reads.QueryContext(ctx, `SELECT body FROM index_manifests WHERE digest IN (`+in+`)`, args...)
	if err != nil {
		return err
	}
	defer indexes.Close()
	for indexes.Next() {
		var body []byte
		if err := indexes.Scan(&body); err != nil {
			return err
		}
		var ix model.Index
		if err := json.Unmarshal(body, &ix); err != nil {
			return fmt.Errorf("decode an index: %w", err)
		}
		known[ix.Digest] = model.DigestState{Index: &ix}
	}
	return indexes.Err()
}

// AddListed writes what a listing found, in one transaction, and returns the jobs
// that were added. What a run accounts for already stays as it is, so repeating
// a part changes nothing; to a run that is over nothing happens at all.
func (s *Store) AddListed(ctx context.Context, f model.ListedPart) (queued []int64, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		queued = nil
		var state model.RunState
		err := tx.QueryRow(`SELECT state FROM runs WHERE id = ?`, f.Run).Scan(&state)
		if errors.Is(err, sql.ErrNoRows) || state.Final() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("store: read run %d: %w", f.Run, err)
		}
		for _, t := range f.Tags {
			if err := s.moveTag(tx, t); err != nil {
				return err
			}
		}
		for _, it := range f.Items {
			id, err := s.accountItem(tx, f, it)
			if err != nil {
				return err
			}
			if id != 0 {
				queued = append(queued, id)
			}
		}
		for _, ix := range f.Indexes {
			if err := s.keepIndex(tx, f, ix); err != nil {
				return err
			}
		}
		return s.endRun(tx, f.Run)
	})
	return queued, err
}

// moveTag writes a tag when it points elsewhere than before.
func (s *Store) moveTag(tx *sql.Tx, t model.Tag) error {
	var digest model.Digest
	var host string
	err := tx.QueryRow(`SELECT digest, host FROM tags WHERE origin = 'local' AND registry = ? AND repository = ? AND tag = ?`,
		t.Registry, t.Repository, t.Tag).Scan(&digest, &host)
	switch {
	case err == nil && digest == t.Digest && host == t.Host:
		return nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("store: read tag %s/%s:%s: %w", t.Registry, t.Repository, t.Tag, err)
	}
	if err := putTag(tx, model.Local, t); err != nil {
		return err
	}
	if !model.IsFederatedName(t.Registry) {
		return nil
	}
	rec, err := feed.Put(feed.KindTag, feed.TagKey(t), t)
	if err != nil {
		return err
	}
	return s.publish(tx, rec)
}

// accountItem adds one digest to a run and returns the job's id when it has to
// be scanned. An index is marked as expanded even where it was a job before, and
// what an index called no image is looked at when it is listed by itself.
func (s *Store) accountItem(tx *sql.Tx, f model.ListedPart, it model.ListedItem) (int64, error) {
	var id int64
	conflict := `DO NOTHING`
	switch {
	case it.State == model.JobExpanded:
		conflict = `(run_id, digest) DO UPDATE SET state = excluded.state, owner = ''`
	case it.State == model.JobQueued || it.State == model.JobUnchanged:
		conflict = `(run_id, digest) DO UPDATE SET state = excluded.state, repository = excluded.repository, media_type = excluded.media_type
			WHERE jobs.state = 'unsupported'`
	}
	err := tx.QueryRow(`INSERT INTO jobs (run_id, repository, digest, media_type, state) VALUES (?, ?, ?, ?, ?) ON CONFLICT `+conflict+` RETURNING id`,
		f.Run, it.Repository, it.Digest, it.MediaType, it.State).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("store: account for %s: %w", it.Digest, err)
	}
	switch it.State {
	case model.JobQueued:
		return id, scheduleImage(tx, it)
	case model.JobExpanded:
		return 0, forgetScheduled(tx, it.Digest)
	case model.JobUnsupported:
		img := model.Image{
			Digest: it.Digest, Platform: it.Platform, Status: model.ImageUnsupported, Reason: it.Reason, Attached: it.Attached, ScannedAt: s.now().UTC(),
		}
		if err := putImageUnlessKnown(tx, img); err != nil {
			return 0, err
		}
	}
	return 0, s.federate(tx, f.Registry, it.Digest)
}

// keepIndex writes an index as its manifest says, and those of its children that
// the run accounts for as images.
func (s *Store) keepIndex(tx *sql.Tx, f model.ListedPart, ix model.Index) error {
	body, err := json.Marshal(ix)
	if err != nil {
		return fmt.Errorf("store: encode index %s: %w", ix.Digest, err)
	}
	if _, err := tx.Exec(`INSERT INTO index_manifests (digest, body) VALUES (?, ?) ON CONFLICT DO NOTHING`, ix.Digest, body); err != nil {
		return fmt.Errorf("store: write index %s: %w", ix.Digest, err)
	}
	looked := model.Index{Digest: ix.Digest}
	for _, c := range ix.Children {
		if slices.ContainsFunc(f.Items, func(it model.ListedItem) bool { return it.Digest == c.Digest && it.State != model.JobUnsupported }) {
			looked.Children = append(looked.Children, c)
		}
	}
	if err := putIndex(tx, looked); err != nil {
		return err
	}
	if !model.IsFederatedName(f.Registry) {
		return nil
	}
	return s.publishIndex(tx, ix.Digest)
}

// publishIndex tells members the children of an index that any registry here
// looks at, so that two registries with different platforms do not take turns.
func (s *Store) publishIndex(tx *sql.Tx, digest model.Digest) error {
	rows, err := tx.Query(`SELECT digest, platform FROM index_children WHERE index_digest = ? ORDER BY digest`, digest)
	if err != nil {
		return fmt.Errorf("store: read index %s: %w", digest, err)
	}
	defer rows.Close()
	ix := model.Index{Digest: digest}
	for rows.Next() {
		var c model.IndexChild
		var platform string
		if err := rows.Scan(&c.Digest, &platform); err != nil {
			return fmt.Errorf("store: read index %s: %w", digest, err)
		}
		c.Platform = parsePlatform(platform)
		ix.Children = append(ix.Children, c)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read index %s: %w", digest, err)
	}
	rec, err := feed.Put(feed.KindIndex, string(digest), ix)
	if err != nil {
		return err
	}
	return s.publish(tx, rec)
}

func parsePlatform(s string) model.Platform {
	parts := strings.SplitN(s+"//", "/", 4)
	return model.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

// scheduleImage shows a digest as waiting for its first scan.
func scheduleImage(tx *sql.Tx, it model.ListedItem) error {
	body, err := json.Marshal(model.Image{Digest: it.Digest, Platform: it.Platform, Status: model.ImageScheduled})
	if err != nil {
		return fmt.Errorf("store: encode image %s: %w", it.Digest, err)
	}
	_, err = tx.Exec(`INSERT INTO images (origin, digest, status, body) VALUES ('local', ?, ?, ?)
		ON CONFLICT (origin, digest) DO UPDATE SET status = excluded.status, body = excluded.body WHERE images.status IN ('failed', 'unsupported')`,
		it.Digest, model.ImageScheduled, body)
	if err != nil {
		return fmt.Errorf("store: schedule image %s: %w", it.Digest, err)
	}
	return nil
}

// forgetScheduled drops the image that an index was taken for until it was read.
func forgetScheduled(tx *sql.Tx, digest model.Digest) error {
	_, err := tx.Exec(`DELETE FROM images WHERE origin = 'local' AND digest = ? AND status IN ('scheduled', 'scanning', 'failed')
		AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.digest = images.digest)`, digest)
	if err != nil {
		return fmt.Errorf("store: forget image %s: %w", digest, err)
	}
	return nil
}

// putImageUnlessFinished writes what is known of an image that has no result;
// a result that exists is never lost to a later failure.
func putImageUnlessFinished(tx *sql.Tx, img model.Image) error {
	var status model.ImageStatus
	err := tx.QueryRow(`SELECT status FROM images WHERE origin = 'local' AND digest = ?`, img.Digest).Scan(&status)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("store: read image %s: %w", img.Digest, err)
	case status == model.ImageFinished:
		return nil
	}
	return putImage(tx, model.Local, img)
}

// putImageUnlessKnown writes what a listing alone says of an image: anything
// else that is known of it is worth more.
func putImageUnlessKnown(tx *sql.Tx, img model.Image) error {
	var known bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM images WHERE origin = 'local' AND digest = ?)`, img.Digest).Scan(&known)
	if err != nil || known {
		return err
	}
	return putImage(tx, model.Local, img)
}

func (s *Store) removeTagsOf(tx *sql.Tx, name string) error {
	tags, err := readTags(tx.Query(selectTags+`WHERE origin = 'local' AND registry = ?`, name))
	if err != nil {
		return err
	}
	return s.removeTags(tx, tags)
}

// removeTags forgets tags that a registry no longer has, on members too.
func (s *Store) removeTags(tx *sql.Tx, tags []model.Tag) error {
	for _, t := range tags {
		if err := deleteTag(tx, model.Local, t); err != nil {
			return err
		}
		if !model.IsFederatedName(t.Registry) {
			continue
		}
		if err := s.publish(tx, feed.Delete(feed.KindTag, feed.TagKey(t))); err != nil {
			return err
		}
	}
	return nil
}

const selectTags = `SELECT registry, host, repository, tag, digest, seen_at FROM tags `

func readTags(rows *sql.Rows, err error) ([]model.Tag, error) {
	if err != nil {
		return nil, fmt.Errorf("store: read tags: %w", err)
	}
	defer rows.Close()
	var tags []model.Tag
	for rows.Next() {
		var t model.Tag
		var seen int64
		if err := rows.Scan(&t.Registry, &t.Host, &t.Repository, &t.Tag, &t.Digest, &seen); err != nil {
			return nil, fmt.Errorf("store: read tags: %w", err)
		}
		t.SeenAt = fromMillis(seen)
		tags = append(tags, t)
	}
	return tags, rows.Err()
}

// placeholders makes "?, ?, ?" and its arguments.
func placeholders[T any](values []T) (string, []any) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", "), args
}
