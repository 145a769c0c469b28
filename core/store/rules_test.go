package store

import (
	"database/sql"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

func denyRule(owner policy.CfgType, comment string) policy.Rule {
	return policy.Rule{
		Comment: comment, CfgType: owner, RuleType: policy.Deny,
		Criteria: []policy.Criterion{{Name: "namespace", Op: "containsAny", Value: "prod"}},
	}
}

func addRule(t *testing.T, s *Store, r policy.Rule) policy.Rule {
	t.Helper()
	r, err := s.AddRule(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRulesAreKeptByOriginWithIDsOfTheirRange(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	local := addRule(t, s, denyRule(policy.UserCreated, "local"))
	fed := addRule(t, s, denyRule(policy.Federal, "fed"))
	second := addRule(t, s, denyRule(policy.UserCreated, "second"))
	if local.ID != policy.FirstLocalID || fed.ID != policy.FirstFederatedID || second.ID != local.ID+1 {
		t.Fatalf("ids %d, %d, %d", local.ID, fed.ID, second.ID)
	}

	local.Comment = "changed"
	if err := s.UpdateRule(t.Context(), local); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveRule(t.Context(), policy.UserCreated, second.ID); err != nil {
		t.Fatal(err)
	}
	third := addRule(t, s, denyRule(policy.UserCreated, "third"))
	if third.ID != second.ID+1 {
		t.Errorf("a removed rule's id was given again: %d", third.ID)
	}

	got, err := s.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]policy.Rule{fed, local, third}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRulesThatAreNotThereAreNotFound(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	fed := addRule(t, s, denyRule(policy.Federal, ""))
	asLocal := fed
	asLocal.CfgType = policy.UserCreated
	if err := s.UpdateRule(t.Context(), asLocal); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update of another owner's rule: %v", err)
	}
	if err := s.RemoveRule(t.Context(), policy.UserCreated, fed.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("removal of another owner's rule: %v", err)
	}
}

func TestProjectedRulesAreReadByWhereTheyCameFrom(t *testing.T) {
	t.Parallel()
	s := open(t)
	err := s.write(t.Context(), func(tx *sql.Tx) error {
		for key, body := range map[string]string{
			"100001": `{"id":7,"cfg_type":"user_created","rule_type":"exception","criteria":[]}`,
			"100002": `{"rule_type":"deny","criteria":[],"sub_rules":[1]}`,
			"100003": `nonsense`,
			"100004": `{"rule_type":"deny","criteria":[]}`,
		} {
			if err := putRule(tx, model.Federated, key, []byte(body)); err != nil {
				return err
			}
		}
		return deleteRule(tx, model.Federated, "100004")
	})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := s.Rules(t.Context())
	if err != nil || len(rules) != 3 {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	for i, r := range rules {
		if r.ID != uint32(100001+i) || r.CfgType != policy.Federal {
			t.Errorf("rule %d is %d of %s", i, r.ID, r.CfgType)
		}
		if (r.Unreadable != "") != (i > 0) {
			t.Errorf("rule %d: unreadable %q", r.ID, r.Unreadable)
		}
	}
	err = s.write(t.Context(), func(tx *sql.Tx) error { return putRule(tx, model.Federated, "x", nil) })
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("a key that is no id: %v", err)
	}
}

func TestAdmissionStateHasADefaultAndIsKept(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, want := range []policy.State{policy.DefaultState(), {Enable: false, Mode: policy.Protect}} {
		if want != policy.DefaultState() {
			if err := s.SetAdmissionState(t.Context(), want); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.AdmissionState(t.Context())
		if err != nil || got != want {
			t.Errorf("state %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestFederalRulesAreWrittenOnAPrimaryOnly(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.AddRule(t.Context(), denyRule(policy.Federal, ""))
	if fault.KindOf(err) != fault.Denied {
		t.Errorf("add: %v", err)
	}
	projected := denyRule(policy.Federal, "")
	projected.ID = 100001
	putAll(t, s, func(tx *sql.Tx) error { return putRule(tx, model.Federated, "100001", []byte(`{}`)) })
	if err := s.UpdateRule(t.Context(), projected); err == nil {
		t.Error("a federal rule was changed")
	}
	if err := s.RemoveRule(t.Context(), policy.Federal, 100001); err == nil {
		t.Error("a federal rule was removed")
	}
}
