package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// Rules are all stored rules, federated ones first, by id within each origin.
func (s *Store) Rules(ctx context.Context) ([]policy.Rule, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT origin, id, body FROM rules ORDER BY origin, id`) // 'fed' < 'local'
	if err != nil {
		return nil, fmt.Errorf("store: read rules: %w", err)
	}
	defer rows.Close()
	var rules []policy.Rule
	for rows.Next() {
		var (
			origin model.Origin
			id     uint32
			body   []byte
		)
		if err := rows.Scan(&origin, &id, &body); err != nil {
			return nil, fmt.Errorf("store: read rules: %w", err)
		}
		rules = append(rules, policy.Parse(origin, id, body))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read rules: %w", err)
	}
	return rules, nil
}

// AddRule gives the rule the next id of its range, keeps it and, when it is
// federal, publishes it. The rule is returned with its id. Federal rules are
// refused with fault.Denied on a cluster that is no primary.
func (s *Store) AddRule(ctx context.Context, r policy.Rule) (policy.Rule, error) {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if err := mayKeep(tx, r.CfgType); err != nil {
			return err
		}
		id, err := nextRuleID(tx, r.CfgType.Origin())
		if err != nil {
			return err
		}
		r.ID = id
		return s.saveRule(tx, r)
	})
	return r, err
}

// UpdateRule replaces the rule of that id and owner; fault.NotFound when there is none.
func (s *Store) UpdateRule(ctx context.Context, r policy.Rule) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if err := errors.Join(mayKeep(tx, r.CfgType), ruleExists(tx, r.CfgType.Origin(), r.ID)); err != nil {
			return err
		}
		return s.saveRule(tx, r)
	})
}

// RemoveRule removes the rule of that owner and id; fault.NotFound when there is none.
func (s *Store) RemoveRule(ctx context.Context, owner policy.CfgType, id uint32) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		key := ruleKey(id)
		if err := errors.Join(mayKeep(tx, owner), ruleExists(tx, owner.Origin(), id)); err != nil {
			return err
		}
		if err := deleteRule(tx, owner.Origin(), key); err != nil {
			return err
		}
		if owner != policy.Federal {
			return nil
		}
		return s.publish(tx, feed.Delete(feed.KindRule, key))
	})
}

// mayKeep refuses a federal rule on a cluster that is no primary: it may have
// been demoted since the caller was let through.
func mayKeep(tx *sql.Tx, owner policy.CfgType) error {
	if owner != policy.Federal {
		return nil
	}
	role, err := clusterRole(tx)
	if err == nil && role != model.Primary {
		err = fault.New(fault.Denied, "store: federal rules are written on a primary; this cluster is %s", role)
	}
	return err
}

func (s *Store) saveRule(tx *sql.Tx, r policy.Rule) error {
	rec, err := feed.Put(feed.KindRule, ruleKey(r.ID), r)
	if err != nil {
		return err
	}
	if err := putRule(tx, r.CfgType.Origin(), rec.Key, rec.Payload); err != nil {
		return err
	}
	if r.CfgType != policy.Federal {
		return nil
	}
	return s.publish(tx, rec)
}

// putRule keeps a rule's JSON under the key it has in the feed, its id.
func putRule(tx *sql.Tx, origin model.Origin, key string, body []byte) error {
	id, err := ruleID(key)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO rules (origin, id, body) VALUES (?, ?, ?)
		ON CONFLICT (origin, id) DO UPDATE SET body = excluded.body`, origin, id, body)
	if err != nil {
		return fmt.Errorf("store: write rule %s: %w", key, err)
	}
	return nil
}

// deleteRule removes a rule; one that is not there is no error.
func deleteRule(tx *sql.Tx, origin model.Origin, key string) error {
	id, err := ruleID(key)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM rules WHERE origin = ? AND id = ?`, origin, id); err != nil {
		return fmt.Errorf("store: delete rule %s: %w", key, err)
	}
	return nil
}

func ruleKey(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

func ruleID(key string) (uint32, error) {
	id, err := strconv.ParseUint(key, 10, 32)
	if err != nil {
		return 0, fault.New(fault.Invalid, "store: %q is not a rule id: %w", key, err)
	}
	return uint32(id), nil
}

func ruleExists(tx *sql.Tx, origin model.Origin, id uint32) error {
	var one int
	err := tx.QueryRow(`SELECT 1 FROM rules WHERE origin = ? AND id = ?`, origin, id).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.NotFound, "store: there is no rule %d", id)
	case err != nil:
		return fmt.Errorf("store: read rule %d: %w", id, err)
	}
	return nil
}

// nextRuleID takes the next id of an origin's range within tx.
func nextRuleID(tx *sql.Tx, origin model.Origin) (uint32, error) {
	first, last := uint32(policy.FirstLocalID), uint32(policy.LastLocalID)
	if origin == model.Federated {
		first, last = policy.FirstFederatedID, policy.LastFederatedID
	}
	id := first
	err := tx.QueryRow(`SELECT last + 1 FROM rule_ids WHERE origin = ?`, origin).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("store: read the last rule id: %w", err)
	}
	if id > last {
		return 0, fault.New(fault.Conflict, "store: all rule ids up to %d have been given", last)
	}
	_, err = tx.Exec(`INSERT INTO rule_ids (origin, last) VALUES (?, ?)
		ON CONFLICT (origin) DO UPDATE SET last = excluded.last`, origin, id)
	if err != nil {
		return 0, fmt.Errorf("store: write the last rule id: %w", err)
	}
	return id, nil
}

// admissionStateName is the name in meta under which the state is kept.
const admissionStateName = "admission_state"

// AdmissionState is the stored state, policy.DefaultState before it was ever set.
func (s *Store) AdmissionState(ctx context.Context) (policy.State, error) {
	state := policy.DefaultState()
	var body []byte
	err := s.reads.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, admissionStateName).Scan(&body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return state, nil
	case err != nil:
		return policy.State{}, fmt.Errorf("store: read the admission state: %w", err)
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return policy.State{}, fmt.Errorf("store: decode the admission state: %w", err)
	}
	return state, nil
}

// SetAdmissionState keeps the state.
func (s *Store) SetAdmissionState(ctx context.Context, state policy.State) error {
	body, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("store: encode the admission state: %w", err)
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, admissionStateName, string(body))
		if err != nil {
			return fmt.Errorf("store: write the admission state: %w", err)
		}
		return nil
	})
}
