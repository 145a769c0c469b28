package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// SaveScan writes everything of one scan in one transaction: image, inventory,
// package sets, verdict and findings, the job's end, and for a federated image
// the records of the feed. A result that says what is known already keeps the
// old verdict, so that nothing is sent again. The result counts even when the
// lease is lost; only the job is then left to whoever holds it.
func (s *Store) SaveScan(ctx context.Context, sc model.ScanResult) error {
	packed, err := s.packScan(sc)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		img := sc.Image
		old, err := readImage(tx, model.Local, img.Digest)
		if err != nil {
			return err
		}
		if same := img; sameImage(old, same) {
			img.ScannedAt = old.ScannedAt
		}
		if err := putImage(tx, model.Local, img); err != nil {
			return err
		}
		if err := s.keepInventory(tx, sc, packed); err != nil {
			return err
		}
		revision := ""
		if sc.Verdict != nil {
			revision = sc.Verdict.DB.Revision
			if _, err := keepVerdict(tx, *sc.Verdict, packed.findings); err != nil {
				return err
			}
		}
		if err := noteAnswered(tx, img.Digest, revision); err != nil {
			return err
		}
		if err := s.federateAgain(tx, sc.Job.Registry, img.Digest); err != nil {
			return err
		}
		held, err := holds(tx, sc.Job.ID, sc.Owner)
		if err != nil || !held {
			return err
		}
		return s.closeJob(tx, sc.Job, "scanned")
	})
}

// packedScan is a scan's large parts as they are stored, made outside the
// transaction because compressing takes longer than writing.
type packedScan struct {
	inventory, findings []byte
	sets                map[string][]byte
}

func (s *Store) packScan(sc model.ScanResult) (p packedScan, err error) {
	p.inventory = s.feed.codec.compress(sc.Inventory)
	p.sets = make(map[string][]byte, len(sc.Sets))
	for hash, body := range sc.Sets {
		p.sets[hash] = s.feed.codec.compress(body)
	}
	if sc.Verdict != nil {
		p.findings, err = s.packFindings(sc.Findings)
	}
	return p, err
}

func (s *Store) packFindings(list model.FindingList) ([]byte, error) {
	body, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("store: encode findings %s: %w", list.Hash, err)
	}
	return s.feed.codec.compress(body), nil
}

// sameImage says whether two images differ in nothing but when they were looked at.
func sameImage(a, b model.Image) bool {
	b.ScannedAt = a.ScannedAt
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (s *Store) keepInventory(tx *sql.Tx, sc model.ScanResult, p packedScan) error {
	for _, hash := range slices.Sorted(maps.Keys(p.sets)) {
		if err := putPackedSet(tx, hash, p.sets[hash]); err != nil {
			return err
		}
	}
	if err := putPackedInventory(tx, model.Local, sc.Image.Digest, slices.Collect(maps.Keys(sc.Sets)), p.inventory); err != nil {
		return err
	}
	keys, err := keyIDs(tx, sc.Answers)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE inventories SET analyzers = ?, keys = ?, stale = 0 WHERE origin = 'local' AND digest = ?`,
		sc.Analyzers, encodeKeys(keys), sc.Image.Digest)
	if err != nil {
		return fmt.Errorf("store: write the inventory of %s: %w", sc.Image.Digest, err)
	}
	return nil
}

// keyIDs numbers match keys. A key that is known keeps the answer it had: only
// a re-match, which touches every image with the key, may change it.
//
// Many go into one statement: SQLite notes what a statement changes inside a
// savepoint, and what it takes to forget that again grows with the savepoint.
func keyIDs(tx *sql.Tx, answers map[string]string) ([]int64, error) {
	ids := make([]int64, 0, len(answers))
	for names := range slices.Chunk(slices.Sorted(maps.Keys(answers)), knownAtOnce) {
		known, err := knownKeys(tx, names)
		if err != nil {
			return nil, err
		}
		ids = slices.AppendSeq(ids, maps.Values(known))
		var fresh []any
		for _, name := range names {
			if _, ok := known[name]; !ok {
				fresh = append(fresh, name, answers[name])
			}
		}
		if len(fresh) == 0 {
			continue
		}
		rows := strings.TrimSuffix(strings.Repeat("(?, ?), ", len(fresh)/2), ", ")
		numbered, err := column[int64](tx.Query(`INSERT INTO match_keys (name, answer) VALUES `+rows+` RETURNING id`, fresh...))
		if err != nil {
			return nil, fmt.Errorf("store: number match keys: %w", err)
		}
		ids = append(ids, numbered...)
	}
	slices.Sort(ids)
	return ids, nil
}

// knownKeys are the numbers of those match keys that have one.
func knownKeys(tx *sql.Tx, names []string) (map[string]int64, error) {
	in, args := placeholders(names)
	rows, err := tx.Query(`SELECT name, id FROM match_keys WHERE name IN (`+in+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("store: read match keys: %w", err)
	}
	defer rows.Close()
	known := make(map[string]int64, len(names))
	for rows.Next() {
		var name string
		var id int64
		if err := rows.Scan(&name, &id); err != nil {
			return nil, fmt.Errorf("store: read match keys: %w", err)
		}
		known[name] = id
	}
	return known, rows.Err()
}

// encodeKeys writes sorted numbers as differences, a byte or two each.
func encodeKeys(ids []int64) []byte {
	out := make([]byte, 0, 2*len(ids)+1)
	last := int64(0)
	for _, id := range ids {
		out = binary.AppendUvarint(out, uint64(id-last))
		last = id
	}
	return out
}

func decodeKeys(body []byte) ([]int64, error) {
	ids := make([]int64, 0, len(body))
	last := int64(0)
	for len(body) > 0 {
		d, n := binary.Uvarint(body)
		if n <= 0 {
			return nil, fault.New(fault.Internal, "store: damaged list of match keys")
		}
		last += int64(d)
		ids, body = append(ids, last), body[n:]
	}
	return ids, nil
}

// keepVerdict writes our own verdict of an image with its findings, unless the
// one that is there says the same; true when it was written.
func keepVerdict(tx *sql.Tx, v model.Verdict, packedFindings []byte) (bool, error) {
	old, err := ownVerdict(tx, v.Digest)
	if err != nil {
		return false, err
	}
	if old != nil && sameVerdict(*old, v) {
		return false, nil
	}
	if err := putPackedFindings(tx, v.Findings, packedFindings); err != nil {
		return false, err
	}
	return true, putVerdict(tx, model.Local, v)
}

// ownVerdict is our own verdict of an image, nil when there is none.
func ownVerdict(tx *sql.Tx, digest model.Digest) (*model.Verdict, error) {
	var body []byte
	err := tx.QueryRow(`SELECT body FROM verdicts WHERE origin = 'local' AND digest = ? AND source = 'scan' AND producer = ''`, digest).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: read the verdict of %s: %w", digest, err)
	}
	var v model.Verdict
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, fmt.Errorf("store: decode the verdict of %s: %w", digest, err)
	}
	return &v, nil
}

// sameVerdict says whether two verdicts differ in nothing but when and with
// which revision of the database they were made.
func sameVerdict(a, b model.Verdict) bool {
	a.DB, a.ScannedAt = b.DB, b.ScannedAt
	return a == b
}

// Inventory is what was found in an image, as JSON of inventory.Inventory: what
// this cluster found itself, else what the primary sent. It fails with fault.NotFound.
func (s *Store) Inventory(ctx context.Context, digest model.Digest) ([]byte, error) {
	var body []byte
	err := s.reads.QueryRowContext(ctx, `SELECT body FROM inventories WHERE digest = ? ORDER BY CASE origin WHEN 'local' THEN 0 ELSE 1 END LIMIT 1`, digest).Scan(&body)
	if err != nil {
		return nil, absent(err, "an inventory of %s", digest)
	}
	plain, err := s.feed.codec.unpack(body, true)
	if err != nil {
		return nil, fmt.Errorf("store: unpack the inventory of %s: %w", digest, err)
	}
	return plain, nil
}

// PackageSet is a package set's canonical bytes. It fails with fault.NotFound.
func (s *Store) PackageSet(ctx context.Context, hash string) ([]byte, error) {
	var body []byte
	if err := s.reads.QueryRowContext(ctx, `SELECT body FROM package_sets WHERE hash = ?`, hash).Scan(&body); err != nil {
		return nil, absent(err, "package set %s", hash)
	}
	plain, err := s.feed.codec.unpack(body, true)
	if err != nil {
		return nil, fmt.Errorf("store: unpack package set %s: %w", hash, err)
	}
	return plain, nil
}

func absent(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "%s is not here", what)
	}
	return fmt.Errorf("store: read %s: %w", what, err)
}
