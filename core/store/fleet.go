package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// Of an image that both this cluster and the primary know, the row that counts
// is one with a result, else this cluster's own.
const countingImage = `NOT EXISTS (SELECT 1 FROM images b WHERE b.digest = i.digest AND b.origin <> i.origin AND (
	(b.status = 'finished') > (i.status = 'finished') OR (b.status = 'finished') = (i.status = 'finished') AND b.origin = 'local'))`

// imageTags are the tags that lead to i.digest.
const imageTags = `(SELECT t.* FROM tags t WHERE t.digest = i.digest
	UNION ALL SELECT t.* FROM index_children c JOIN tags t ON t.digest = c.index_digest WHERE c.digest = i.digest)`

// ImagesAfter are images ordered by digest, each once, with their tags and verdicts.
func (s *Store) ImagesAfter(ctx context.Context, q model.ImageQuery) (images []model.ImageSummary, err error) {
	where, args := imageConditions(q)
	err = s.read(ctx, func(tx *sql.Tx) error {
		images, err = readImages(ctx, tx, where+` ORDER BY i.digest LIMIT ?`, append(args, q.Limit)...)
		return err
	})
	return images, err
}

func imageConditions(q model.ImageQuery) (string, []any) {
	conditions, args := []string{`i.digest > ?`}, []any{q.After}
	if q.Status != "" {
		conditions, args = append(conditions, `i.status = ?`), append(args, q.Status)
	}
	if q.Registry != "" {
		conditions, args = append(conditions, `EXISTS (SELECT 1 FROM `+imageTags+` x WHERE x.registry = ?)`), append(args, q.Registry)
	}
	if q.Severity != "" {
		conditions, args = append(conditions, `EXISTS (SELECT 1 FROM verdicts v WHERE v.digest = i.digest AND v.worst >= ?)`), append(args, q.Severity.Rank())
	}
	if q.Text != "" {
		like := `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(q.Text)) + `%`
		conditions = append(conditions, `(i.digest LIKE ? ESCAPE '\' OR EXISTS (SELECT 1 FROM `+imageTags+` x
			WHERE lower(x.host || '/' || x.repository || ':' || x.tag) LIKE ? ESCAPE '\' OR x.digest LIKE ? ESCAPE '\'))`)
		args = append(args, like, like, like)
	}
	return strings.Join(conditions, ` AND `), args
}

// ImageSummary is one image. It fails with fault.NotFound, and says so when the
// digest is that of a multi-platform image.
func (s *Store) ImageSummary(ctx context.Context, digest model.Digest) (model.ImageSummary, error) {
	var images []model.ImageSummary
	var children []string
	err := s.read(ctx, func(tx *sql.Tx) (err error) {
		if images, err = readImages(ctx, tx, `i.digest = ?`, digest); err != nil || len(images) > 0 {
			return err
		}
		children, err = column[string](tx.QueryContext(ctx, `SELECT digest FROM index_children WHERE index_digest = ? ORDER BY platform`, digest))
		return err
	})
	switch {
	case err != nil:
		return model.ImageSummary{}, err
	case len(images) > 0:
		return images[0], nil
	case len(children) > 0:
		return model.ImageSummary{}, fault.New(fault.NotFound, "%s is a multi-platform image", digest).
			WithHint("ask for one of its images: %s", strings.Join(children, ", "))
	}
	return model.ImageSummary{}, fault.New(fault.NotFound, "image %s is not known here", digest).
		WithHint("muster image list shows the images that are")
}

// ImagesBelow are the other images whose layers an image begins with, each once.
func (s *Store) ImagesBelow(ctx context.Context, img model.Image) (images []model.ImageSummary, err error) {
	chains := img.Chains()
	if len(chains) < 2 {
		return nil, nil
	}
	below := chains[:len(chains)-1]
	args := make([]any, len(below))
	for i, chain := range below {
		args[i] = chain
	}
	err = s.read(ctx, func(tx *sql.Tx) error {
		images, err = readImages(ctx, tx, `i.chain IN (?`+strings.Repeat(`, ?`, len(below)-1)+`) ORDER BY i.digest LIMIT 100`, args...)
		return err
	})
	return images, err
}

func readImages(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]model.ImageSummary, error) {
	rows, err := tx.QueryContext(ctx, `SELECT i.origin, i.status, i.body FROM images i WHERE `+countingImage+` AND `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("store: read images: %w", err)
	}
	defer rows.Close()
	var images []model.ImageSummary
	for rows.Next() {
		var im model.ImageSummary
		var body []byte
		var status model.ImageStatus
		if err := rows.Scan(&im.Origin, &status, &body); err != nil {
			return nil, fmt.Errorf("store: read images: %w", err)
		}
		if err := json.Unmarshal(body, &im.Image); err != nil {
			return nil, fmt.Errorf("store: decode an image: %w", err)
		}
		im.Status = status // a scan under way is noted in the column alone
		images = append(images, im)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read images: %w", err)
	}
	for i := range images {
		if err := complete(ctx, tx, &images[i]); err != nil {
			return nil, err
		}
	}
	return images, nil
}

// complete adds tags and verdicts, each once: what this cluster found out itself
// stands for what the primary says about the same.
func complete(ctx context.Context, tx *sql.Tx, im *model.ImageSummary) error {
	tags, err := readTags(tx.QueryContext(ctx, selectTags+`WHERE digest = ? OR digest IN (SELECT index_digest FROM index_children WHERE digest = ?)
		ORDER BY host, repository, tag, registry, CASE origin WHEN 'local' THEN 0 ELSE 1 END`, im.Digest, im.Digest))
	if err != nil {
		return err
	}
	im.Tags = slices.CompactFunc(tags, func(a, b model.Tag) bool {
		return a.Registry == b.Registry && a.Repository == b.Repository && a.Tag == b.Tag
	})
	known, err := readVerdicts(ctx, tx, `v.digest = ?`, im.Digest)
	if err != nil {
		return err
	}
	for _, k := range known {
		if !slices.ContainsFunc(im.Verdicts, func(v model.Verdict) bool { return v.Source == k.Source && v.Producer == k.Producer }) {
			im.Verdicts = append(im.Verdicts, k.Verdict)
		}
	}
	return nil
}

// Verdicts are all results for a digest and, when it is an index, for its
// children: own scans first, local before federated, the newest first.
func (s *Store) Verdicts(ctx context.Context, digest model.Digest) (known []policy.KnownVerdict, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		known, err = readVerdicts(ctx, tx, `(v.digest = ? OR v.digest IN (SELECT digest FROM index_children WHERE index_digest = ?))`, digest, digest)
		return err
	})
	return known, err
}

// matchedName is the row of table meta that holds, as JSON of model.DBVersion, the
// database that all scans of an origin answer to.
func matchedName(origin model.Origin) string {
	if origin == model.Federated {
		return "fed_matched_db"
	}
	return "matched_db"
}

// joinMatched finds that row for a verdict v, as m.value.
const joinMatched = `LEFT JOIN meta m ON m.name = CASE v.origin WHEN 'fed' THEN 'fed_matched_db' ELSE 'matched_db' END`

// decodeVerdict reads a stored verdict, and says with which database it agrees
// now: what is stored is the one under which its findings last changed.
func decodeVerdict(k *policy.KnownVerdict, body, matched []byte) error {
	if err := json.Unmarshal(body, &k.Verdict); err != nil {
		return fmt.Errorf("store: decode a verdict: %w", err)
	}
	if len(matched) == 0 || k.Source != model.SourceScan || k.Outdated {
		return nil
	}
	var now model.DBVersion
	if err := json.Unmarshal(matched, &now); err != nil {
		return fmt.Errorf("store: decode a database version: %w", err)
	}
	if now.Revision != "" && !now.UpdatedAt.Before(k.DB.UpdatedAt) {
		k.DB = now
	}
	return nil
}

func readVerdicts(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]policy.KnownVerdict, error) {
	rows, err := tx.QueryContext(ctx, `SELECT v.origin, v.body, f.hash IS NOT NULL, m.value FROM verdicts v
		LEFT JOIN finding_lists f ON f.hash = v.findings `+joinMatched+` WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("store: read verdicts: %w", err)
	}
	defer rows.Close()
	var known []policy.KnownVerdict
	for rows.Next() {
		var k policy.KnownVerdict
		var body, matched []byte
		if err := rows.Scan(&k.Origin, &body, &k.FindingsKnown, &matched); err != nil {
			return nil, fmt.Errorf("store: read verdicts: %w", err)
		}
		if err := decodeVerdict(&k, body, matched); err != nil {
			return nil, err
		}
		known = append(known, k)
	}
	slices.SortFunc(known, compareVerdicts)
	return known, rows.Err()
}

func compareVerdicts(a, b policy.KnownVerdict) int {
	return cmp.Or(
		-strings.Compare(string(a.Source), string(b.Source)), // scan before ci
		-strings.Compare(string(a.Origin), string(b.Origin)), // local before fed
		b.ScannedAt.Compare(a.ScannedAt),
		strings.Compare(string(a.Digest), string(b.Digest)),
		strings.Compare(a.Producer, b.Producer),
	)
}

// FindingList is a finding list by its hash. It fails with fault.NotFound until
// the list has arrived.
func (s *Store) FindingList(ctx context.Context, hash string) (model.FindingList, error) {
	list := model.FindingList{Hash: hash}
	var body []byte
	if err := s.reads.QueryRowContext(ctx, `SELECT body FROM finding_lists WHERE hash = ?`, hash).Scan(&body); err != nil {
		return list, absent(err, "finding list %s", hash)
	}
	if err := unpack(body, &list); err != nil {
		return list, fmt.Errorf("store: decode findings %s: %w", hash, err)
	}
	return list, nil
}

// matchedDB is the database that our own findings answer to; see MatchedDB.
func matchedDB(ctx context.Context, tx *sql.Tx) (model.DBVersion, error) {
	var version model.DBVersion
	var body []byte
	err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'matched_db'`).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return version, nil
	}
	if err == nil {
		err = json.Unmarshal(body, &version)
	}
	if err != nil {
		return version, fmt.Errorf("store: read which database findings answer to: %w", err)
	}
	return version, nil
}
