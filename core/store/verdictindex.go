package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// VerdictIndex answers what admission asks while a pod waits: four point
// look-ups through prepared statements. Close it before the store. It is safe
// for concurrent use.
type VerdictIndex struct {
	byTag, verdicts, children, findings *sql.Stmt
	decoder                             *zstd.Decoder
}

const (
	tagDigestsSQL = `SELECT DISTINCT digest FROM tags WHERE host = ? AND repository = ? AND tag = ? ORDER BY digest`
	verdictsSQL   = `SELECT v.origin, v.body, f.hash IS NOT NULL, m.value FROM verdicts v LEFT JOIN finding_lists f ON f.hash = v.findings
		` + joinMatched + `
		WHERE v.digest IN (SELECT CAST(? AS TEXT) UNION ALL SELECT digest FROM index_children WHERE index_digest = ?)
		ORDER BY v.digest, v.origin DESC, v.source DESC, v.producer`
	childrenSQL    = `SELECT digest FROM index_children WHERE index_digest = ? ORDER BY digest`
	findingListSQL = `SELECT body FROM finding_lists WHERE hash = ?`
)

// VerdictIndex prepares the look-ups.
func (s *Store) VerdictIndex(ctx context.Context) (*VerdictIndex, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(unpackLimit))
	if err != nil {
		return nil, fmt.Errorf("store: make a decoder: %w", err)
	}
	ix := &VerdictIndex{decoder: decoder}
	for query, stmt := range map[string]**sql.Stmt{
		tagDigestsSQL: &ix.byTag, verdictsSQL: &ix.verdicts, childrenSQL: &ix.children, findingListSQL: &ix.findings,
	} {
		if *stmt, err = s.reads.PrepareContext(ctx, query); err != nil {
			return nil, errors.Join(fmt.Errorf("store: prepare %q: %w", query, err), ix.Close())
		}
	}
	return ix, nil
}

// Close releases the statements.
func (ix *VerdictIndex) Close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{ix.byTag, ix.verdicts, ix.children, ix.findings} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	ix.decoder.Close()
	return errors.Join(errs...)
}

// TagDigests are the images and indexes to which the tag of that name points,
// in whichever registries were listed under exactly that host.
func (ix *VerdictIndex) TagDigests(ctx context.Context, host, repository, tag string) ([]model.Digest, error) {
	digests, err := digestsOf(ctx, ix.byTag, host, repository, tag)
	if err != nil {
		return nil, fmt.Errorf("store: look up tag %s/%s:%s: %w", host, repository, tag, err)
	}
	return digests, nil
}

// Children are the images of an index that some registry's settings select, by
// digest, whether they have results or not; none when the digest is no index.
func (ix *VerdictIndex) Children(ctx context.Context, digest model.Digest) ([]model.Digest, error) {
	digests, err := digestsOf(ctx, ix.children, digest)
	if err != nil {
		return nil, fmt.Errorf("store: look up children of %s: %w", digest, err)
	}
	return digests, nil
}

func digestsOf(ctx context.Context, stmt *sql.Stmt, args ...any) ([]model.Digest, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var digests []model.Digest
	for rows.Next() {
		var d model.Digest
		if err := rows.Scan(&d); err != nil {
			return nil, err
		}
		digests = append(digests, d)
	}
	return digests, rows.Err()
}

// Verdicts are all results for the digest and, when it is an index, for its
// children: by digest, local before federated, own scans before CI results.
func (ix *VerdictIndex) Verdicts(ctx context.Context, digest model.Digest) ([]policy.KnownVerdict, error) {
	rows, err := ix.verdicts.QueryContext(ctx, digest, digest)
	if err != nil {
		return nil, fmt.Errorf("store: look up verdicts of %s: %w", digest, err)
	}
	defer rows.Close()
	var known []policy.KnownVerdict
	for rows.Next() {
		var (
			v             policy.KnownVerdict
			body, matched []byte
		)
		if err := rows.Scan(&v.Origin, &body, &v.FindingsKnown, &matched); err != nil {
			return nil, fmt.Errorf("store: look up verdicts of %s: %w", digest, err)
		}
		if err := decodeVerdict(&v, body, matched); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, digest)
		}
		known = append(known, v)
	}
	return known, rows.Err()
}

// CVEs are the vulnerabilities of a finding list, worst first; false when the
// list has not arrived.
func (ix *VerdictIndex) CVEs(ctx context.Context, hash string) ([]policy.CVE, bool, error) {
	var body []byte
	err := ix.findings.QueryRowContext(ctx, hash).Scan(&body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("store: look up findings %s: %w", hash, err)
	}
	plain, err := ix.decoder.DecodeAll(body, nil)
	if err != nil {
		return nil, false, fmt.Errorf("store: unpack findings %s: %w", hash, err)
	}
	cves, err := scanCVEs(plain)
	if err != nil {
		return nil, false, fmt.Errorf("store: decode findings %s: %w", hash, err)
	}
	return cves, true, nil
}
