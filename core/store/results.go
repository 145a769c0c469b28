package store

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/core/model"
)

// The functions of this file write single facts about images within a
// transaction. Local scans, CI results and the projection of the feed all go
// through them, so that a row means the same whoever wrote it.

func putImage(tx *sql.Tx, origin model.Origin, img model.Image) error {
	body, err := json.Marshal(img)
	if err != nil {
		return fmt.Errorf("store: encode image %s: %w", img.Digest, err)
	}
	chain := ""
	if chains := img.Chains(); len(chains) > 0 {
		chain = chains[len(chains)-1]
	}
	_, err = tx.Exec(`INSERT INTO images (origin, digest, status, body, chain) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (origin, digest) DO UPDATE SET status = excluded.status, body = excluded.body, chain = excluded.chain`,
		origin, img.Digest, img.Status, body, chain)
	if err != nil {
		return fmt.Errorf("store: write image %s: %w", img.Digest, err)
	}
	return nil
}

func putTag(tx *sql.Tx, origin model.Origin, t model.Tag) error {
	_, err := tx.Exec(`INSERT INTO tags (origin, registry, repository, tag, host, digest, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (origin, registry, repository, tag) DO UPDATE SET host = excluded.host, digest = excluded.digest, seen_at = excluded.seen_at`,
		origin, t.Registry, t.Repository, t.Tag, t.Host, t.Digest, millis(t.SeenAt))
	if err != nil {
		return fmt.Errorf("store: write tag %s/%s:%s: %w", t.Registry, t.Repository, t.Tag, err)
	}
	return nil
}

func putIndex(tx *sql.Tx, ix model.Index) error {
	for _, c := range ix.Children {
		_, err := tx.Exec(`INSERT INTO index_children (index_digest, digest, platform) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			ix.Digest, c.Digest, c.Platform.String())
		if err != nil {
			return fmt.Errorf("store: write index %s: %w", ix.Digest, err)
		}
	}
	return nil
}

func putVerdict(tx *sql.Tx, origin model.Origin, v model.Verdict) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store: encode verdict of %s: %w", v.Digest, err)
	}
	_, err = tx.Exec(`INSERT INTO verdicts (origin, digest, source, producer, findings, worst, body) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (origin, digest, source, producer) DO UPDATE SET findings = excluded.findings, worst = excluded.worst, body = excluded.body`,
		origin, v.Digest, v.Source, v.Producer, v.Findings, worst(v.Counts), body)
	if err != nil {
		return fmt.Errorf("store: write verdict of %s: %w", v.Digest, err)
	}
	return nil
}

// worst is the rank of the worst severity counted, -1 when nothing was found.
func worst(c model.Counts) int {
	for _, n := range []struct {
		count int
		of    model.Severity
	}{{c.Critical, model.Critical}, {c.High, model.High}, {c.Medium, model.Medium}, {c.Low, model.Low}, {c.Unknown, model.Unknown}} {
		if n.count > 0 {
			return n.of.Rank()
		}
	}
	return -1
}

func putFindings(tx *sql.Tx, list model.FindingList) error {
	body, err := pack(list)
	if err != nil {
		return fmt.Errorf("store: encode findings %s: %w", list.Hash, err)
	}
	return putPackedFindings(tx, list.Hash, body)
}

func putPackedFindings(tx *sql.Tx, hash string, body []byte) error {
	if _, err := tx.Exec(`INSERT INTO finding_lists (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING`, hash, body); err != nil {
		return fmt.Errorf("store: write findings %s: %w", hash, err)
	}
	return nil
}

// pack is JSON under zstd, for bodies that are large and rarely read.
func pack(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	return enc.EncodeAll(body, nil), enc.Close()
}

// unpackLimit bounds what a stored body may expand to.
const unpackLimit = 256 << 20

func unpack(body []byte, v any) error {
	plain, err := unpackBytes(body)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

func unpackBytes(body []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(unpackLimit))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(body, nil)
}
