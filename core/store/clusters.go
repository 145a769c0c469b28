package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

const clusterColumns = `id, name, joined_at, last_seen, version, applied, summary`

func scanCluster(scan func(...any) error) (model.Cluster, error) {
	c := model.Cluster{Role: model.Managed}
	var joined, seen int64
	var summary []byte
	if err := scan(&c.ID, &c.Name, &joined, &seen, &c.Version, &c.Applied, &summary); err != nil {
		return c, err
	}
	c.JoinedAt, c.LastSeen = time.UnixMilli(joined), time.UnixMilli(seen)
	return c, json.Unmarshal(summary, &c.Summary)
}

// EnrolCluster takes a use of a join token and records the cluster that proved
// to hold it, in one transaction. issue judges the token and makes the
// certificate. A key that is enrolled already gets the certificate it was given,
// under the id it was given, and costs nothing, so that a lost reply can be
// asked for again.
//
// It fails with fault.NotFound for an unknown token, fault.Conflict for a
// cluster whose id or name another has, fault.Gone for a key that was removed,
// and with whatever issue says.
func (s *Store) EnrolCluster(ctx context.Context, token string, c model.Cluster, keyID string, issue func(model.JoinToken) ([]byte, error)) (id string, certificate []byte, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRow(`SELECT id, certificate FROM fed_clusters WHERE key_id = ?`, keyID).Scan(&id, &certificate)
		if err == nil || !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := checkKey(tx, keyID); err != nil {
			return err
		}
		t, err := readToken(tx, token)
		if err != nil {
			return err
		}
		if err := checkFree(tx, c); err != nil {
			return err
		}
		id = c.ID
		if certificate, err = issue(t); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE fed_tokens SET uses = uses + 1 WHERE id = ?`, token); err != nil {
			return fmt.Errorf("store: use join token %s: %w", token, err)
		}
		return insertCluster(tx, token, c, keyID, certificate)
	})
	if err != nil {
		return "", nil, fmt.Errorf("store: enrol cluster %s: %w", c.Name, err)
	}
	return id, certificate, nil
}

// checkKey refuses the key of a cluster that was removed.
func checkKey(tx *sql.Tx, keyID string) error {
	var removed bool
	if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM fed_removed WHERE key_id = ?)`, keyID).Scan(&removed); err != nil {
		return fmt.Errorf("look for the key among the removed: %w", err)
	}
	if removed {
		return fault.New(fault.Gone, "the key belongs to a cluster that was removed").WithHint("join again with a new token")
	}
	return nil
}

func checkFree(tx *sql.Tx, c model.Cluster) error {
	primary, err := readMembership(tx)
	if err != nil {
		return err
	}
	var taken int
	if err := tx.QueryRow(`SELECT count(*) FROM fed_clusters WHERE name = ? OR id = ?`, c.Name, c.ID).Scan(&taken); err != nil {
		return err
	}
	if taken > 0 || c.Name == primary.ClusterName || c.ID == primary.ClusterID {
		return fault.New(fault.Conflict, "the federation has a cluster named %q (or with the id %s) already", c.Name, c.ID).
			WithHint("join under another name, or remove the old cluster on the primary first")
	}
	return nil
}

func insertCluster(tx *sql.Tx, token string, c model.Cluster, keyID string, certificate []byte) error {
	summary, err := json.Marshal(c.Summary)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO fed_clusters (id, name, key_id, token, certificate, joined_at, last_seen, version, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, c.Name, keyID, token, certificate, c.JoinedAt.UnixMilli(), c.JoinedAt.UnixMilli(), c.Version, summary)
	return err
}

// Clusters lists the members of this primary by name, with what was last known
// of each; whether they are connected now is not the store's to say.
func (s *Store) Clusters(ctx context.Context) ([]model.Cluster, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT `+clusterColumns+` FROM fed_clusters ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("store: list clusters: %w", err)
	}
	return collect(rows, func(rows *sql.Rows) (model.Cluster, error) { return scanCluster(rows.Scan) })
}

// ClusterKeys gives the public key, by its SHA-256, that each member enrolled with.
func (s *Store) ClusterKeys(ctx context.Context) (clusterByKey map[string]string, err error) {
	return s.keys(ctx, `SELECT key_id, id FROM fed_clusters`)
}

// RemovedKeys gives the keys of removed members and the reason, for the time
// that they may not have heard of it.
func (s *Store) RemovedKeys(ctx context.Context) (reasonByKey map[string]string, err error) {
	return s.keys(ctx, `SELECT key_id, reason FROM fed_removed`)
}

func (s *Store) keys(ctx context.Context, query string) (map[string]string, error) {
	rows, err := s.reads.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("store: list member keys: %w", err)
	}
	pairs, err := collect(rows, func(rows *sql.Rows) (p [2]string, err error) {
		err = rows.Scan(&p[0], &p[1])
		return p, err
	})
	keys := make(map[string]string, len(pairs))
	for _, p := range pairs {
		keys[p[0]] = p[1]
	}
	return keys, err
}

// SaveClusterSeen keeps when a member was last heard, its release, and how much
// of the feed it had applied.
func (s *Store) SaveClusterSeen(ctx context.Context, c model.Cluster) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		return execOne(tx, "cluster", c.ID, `UPDATE fed_clusters SET last_seen = ?, version = ?, applied = ? WHERE id = ?`,
			c.LastSeen.UnixMilli(), c.Version, c.Applied, c.ID)
	})
}

// SaveClusterSummary keeps what a member says of itself now.
func (s *Store) SaveClusterSummary(ctx context.Context, id string, summary model.ClusterSummary) error {
	body, err := json.Marshal(summary)
	if err != nil {
		return fmt.Errorf("store: encode the summary of cluster %s: %w", id, err)
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		return execOne(tx, "cluster", id, `UPDATE fed_clusters SET summary = ?, last_seen = ? WHERE id = ?`,
			body, s.now().UnixMilli(), id)
	})
}

// ClusterSummary sums up what this cluster holds, of whatever origin.
func (s *Store) ClusterSummary(ctx context.Context) (sum model.ClusterSummary, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRow(`SELECT count(DISTINCT digest) FROM verdicts`).Scan(&sum.Images); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT count(*) FROM rules`).Scan(&sum.Rules)
	})
	if err != nil {
		return sum, fmt.Errorf("store: sum up this cluster: %w", err)
	}
	db, err := s.MatchedDB(ctx)
	sum.DBRevision, sum.DBUpdatedAt = db.Revision, db.UpdatedAt
	return sum, err
}

// RemoveCluster ends a membership: the certificate is worth nothing from now
// on, and the key is remembered with the reason, so that a member that is away
// can be told. It returns the pin of that key, and fails with fault.NotFound for
// a cluster that is no member.
func (s *Store) RemoveCluster(ctx context.Context, id, reason string) (keyID string, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRow(`INSERT INTO fed_removed (key_id, cluster, reason, removed_at)
			SELECT key_id, id, ?, ? FROM fed_clusters WHERE id = ? RETURNING key_id`, reason, s.now().UnixMilli(), id).Scan(&keyID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("store: remember the key of cluster %s: %w", id, err)
		}
		return execOne(tx, "cluster", id, `DELETE FROM fed_clusters WHERE id = ?`, id)
	})
	return keyID, err
}
