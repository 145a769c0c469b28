package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// Membership says what this cluster is in a federation. Before the first start
// has named it, it is a standalone cluster without an id.
func (s *Store) Membership(ctx context.Context) (m model.Membership, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		m, err = readMembership(tx)
		return err
	})
	return m, err
}

// NameCluster gives this cluster the id at its first start, and the name while
// it is in no federation. It returns what holds then.
func (s *Store) NameCluster(ctx context.Context, id, name string) (m model.Membership, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		if m, err = readMembership(tx); err != nil {
			return err
		}
		if m.ClusterID == "" {
			m.ClusterID = id
		}
		if m.Role == model.Standalone {
			m.ClusterName = name
		}
		return putMembership(tx, m)
	})
	return m, err
}

// EnterFederation makes this standalone cluster a primary or a managed one,
// with the secrets that go with it, and publishes the first settings of a
// primary. It refuses with fault.Conflict when the cluster is in a federation.
//
// The founder, if any, becomes a federated administrator in the same transaction:
// a primary that nobody may administer could not even be demoted.
func (s *Store) EnterFederation(ctx context.Context, m model.Membership, secrets map[string][]byte, founder string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		role, err := clusterRole(tx)
		if err != nil {
			return err
		}
		if role != model.Standalone {
			return fault.New(fault.Conflict, "store: this cluster is %s already", role)
		}
		if err := emptyFederation(tx); err != nil {
			return err
		}
		if err := putMembership(tx, m); err != nil {
			return err
		}
		for name, body := range secrets {
			if err := putFedSecret(tx, name, body); err != nil {
				return err
			}
		}
		if founder != "" {
			if err := setRole(tx, founder, model.RoleFedAdmin); err != nil {
				return err
			}
		}
		if m.Role != model.Primary {
			return nil
		}
		settings, err := feed.Put(feed.KindSettings, "settings", model.FedSettings{})
		if err != nil {
			return err
		}
		if err := putFedSettings(tx, model.FedSettings{}); err != nil {
			return err
		}
		return errors.Join(s.publish(tx, settings), s.publishMatchedDB(tx))
	})
}

// UpdateMembership replaces the membership of a cluster whose role stays as it is.
func (s *Store) UpdateMembership(ctx context.Context, m model.Membership) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		role, err := clusterRole(tx)
		if err == nil && role != m.Role {
			err = fault.New(fault.Conflict, "store: this cluster is %s now, not %s", role, m.Role)
		}
		if err != nil {
			return err
		}
		return putMembership(tx, m)
	})
}

// LeaveFederation makes this cluster standalone again and removes, in the same
// transaction, everything that the federation brought: keys, members, tokens,
// the feed, and every federated object. Federated roles of accounts and API keys
// become the local ones. The id and the name stay.
func (s *Store) LeaveFederation(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		m, err := readMembership(tx)
		if err != nil {
			return err
		}
		if err := errors.Join(emptyFederation(tx), localRoles(tx)); err != nil {
			return err
		}
		return putMembership(tx, model.Membership{Role: model.Standalone, ClusterID: m.ClusterID, ClusterName: m.ClusterName})
	})
}

// localRoles turns federated administrators and readers, API keys included, into
// local ones.
func localRoles(tx *sql.Tx) error {
	for from, to := range map[model.Role]model.Role{model.RoleFedAdmin: model.RoleAdmin, model.RoleFedReader: model.RoleReader} {
		for _, statement := range []string{`UPDATE accounts SET role = ? WHERE role = ?`, `UPDATE api_keys SET role = ? WHERE role = ?`} {
			if _, err := tx.Exec(statement, to, from); err != nil {
				return fmt.Errorf("store: make role %s local: %w", from, err)
			}
		}
	}
	return nil
}

// emptyFederation removes all traces of a federation but the membership row.
// The epoch and the last revision stay: they must never go back.
func emptyFederation(tx *sql.Tx) error {
	for _, statement := range slices.Concat(cleanFederated(), []string{
		`DELETE FROM feed_records`, `DELETE FROM feed_nodes`, `DELETE FROM feed_streams`,
		`DELETE FROM feed_orphans`, `DELETE FROM feed_rotations`,
		`DELETE FROM fed_secrets`, `DELETE FROM fed_tokens`, `DELETE FROM fed_clusters`, `DELETE FROM fed_removed`,
		`DELETE FROM meta WHERE name IN ('` + fedSettingsName + `', '` + matchedName(model.Federated) + `')`,
	}) {
		if _, err := tx.Exec(statement); err != nil {
			return fmt.Errorf("store: clean up after a federation: %w", err)
		}
	}
	return nil
}

// cleanFederated are the statements that remove federated objects from the tables
// of the services: what the feed has brought (origin 'fed', and content that
// nothing else refers to), and what a primary administered for all (registries
// named fed.*; their images stay, as scans of its own).
func cleanFederated() []string {
	const fedRuns = `(SELECT id FROM runs WHERE substr(registry, 1, 4) = 'fed.')`
	return []string{
		`DELETE FROM rules WHERE origin = 'fed'`,
		`DELETE FROM tags WHERE origin = 'fed' OR substr(registry, 1, 4) = 'fed.'`,
		`DELETE FROM verdicts WHERE origin = 'fed'`,
		`DELETE FROM images WHERE origin = 'fed'`,
		`DELETE FROM images WHERE status IN ('scheduled', 'scanning') AND digest IN (SELECT digest FROM jobs WHERE run_id IN ` + fedRuns + `)
			AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.digest = images.digest)`,
		`DELETE FROM inventory_sets WHERE origin = 'fed'`,
		`DELETE FROM inventories WHERE origin = 'fed'`,
		`DELETE FROM index_children WHERE NOT EXISTS (SELECT 1 FROM index_manifests m WHERE m.digest = index_digest)`,
		`DELETE FROM finding_lists WHERE hash IN (SELECT name FROM feed_records WHERE kind = 'findings')
			AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.findings = hash)`,
		`DELETE FROM package_sets WHERE hash IN (SELECT name FROM feed_records WHERE kind = 'packageset')
			AND NOT EXISTS (SELECT 1 FROM inventory_sets i WHERE i.hash = package_sets.hash)`,
		`DELETE FROM jobs WHERE run_id IN ` + fedRuns,
		`DELETE FROM runs WHERE substr(registry, 1, 4) = 'fed.'`,
		`DELETE FROM registries WHERE origin = 'fed' OR substr(name, 1, 4) = 'fed.'`,
		`UPDATE images SET federated = 0 WHERE federated = 1`,
	}
}

// FedSecret gives the sealed secret of a name, fault.NotFound when there is none.
func (s *Store) FedSecret(ctx context.Context, name string) (body []byte, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT body FROM fed_secrets WHERE name = ?`, name).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "store: no federation secret %q", name)
	}
	if err != nil {
		return nil, fmt.Errorf("store: read federation secret %s: %w", name, err)
	}
	return body, nil
}

// SetFedSecret keeps a sealed secret; a nil body removes it.
func (s *Store) SetFedSecret(ctx context.Context, name string, body []byte) error {
	return s.write(ctx, func(tx *sql.Tx) error { return putFedSecret(tx, name, body) })
}

func putFedSecret(tx *sql.Tx, name string, body []byte) error {
	var err error
	if body == nil {
		_, err = tx.Exec(`DELETE FROM fed_secrets WHERE name = ?`, name)
	} else {
		_, err = tx.Exec(`INSERT INTO fed_secrets (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body`, name, body)
	}
	if err != nil {
		return fmt.Errorf("store: write federation secret %s: %w", name, err)
	}
	return nil
}

// clusterRole is the role of this cluster, within a transaction.
func clusterRole(q querier) (role model.ClusterRole, err error) {
	err = q.QueryRow(`SELECT role FROM membership`).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		return model.Standalone, nil
	}
	if err != nil {
		return "", fmt.Errorf("store: read the cluster's role: %w", err)
	}
	return role, nil
}

func readMembership(q querier) (model.Membership, error) {
	var body []byte
	m := model.Membership{Role: model.Standalone}
	err := q.QueryRow(`SELECT body FROM membership`).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		return m, fmt.Errorf("store: read the membership: %w", err)
	}
	return m, nil
}

func putMembership(tx *sql.Tx, m model.Membership) error {
	body, err := json.Marshal(m)
	if err == nil {
		_, err = tx.Exec(`INSERT INTO membership (id, role, body) VALUES (1, ?, ?)
			ON CONFLICT (id) DO UPDATE SET role = excluded.role, body = excluded.body`, m.Role, body)
	}
	if err != nil {
		return fmt.Errorf("store: write the membership: %w", err)
	}
	return nil
}
