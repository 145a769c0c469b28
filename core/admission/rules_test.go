package admission

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

func actor(r model.Role) model.Actor { return model.Actor{Name: "someone", Role: r} }

func TestWhoMayChangeRules(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		cluster model.ClusterRole
		actor   model.Role
		owner   policy.CfgType
		want    fault.Kind // Internal: nothing to refuse
	}{
		{"an admin, local", model.Standalone, model.RoleAdmin, policy.UserCreated, fault.Internal},
		{"an admin of a member, local", model.Managed, model.RoleAdmin, policy.UserCreated, fault.Internal},
		{"a reader, local", model.Standalone, model.RoleReader, policy.UserCreated, fault.Denied},
		{"a pipeline, local", model.Primary, model.RoleCIOps, policy.UserCreated, fault.Denied},
		{"a federated admin, federal", model.Primary, model.RoleFedAdmin, policy.Federal, fault.Internal},
		{"an admin, federal", model.Primary, model.RoleAdmin, policy.Federal, fault.Denied},
		{"a federated reader, federal", model.Primary, model.RoleFedReader, policy.Federal, fault.Denied},
		{"a federated admin on a member", model.Managed, model.RoleFedAdmin, policy.Federal, fault.Denied},
		{"a federated admin alone", model.Standalone, model.RoleFedAdmin, policy.Federal, fault.Denied},
		{"built-in", model.Primary, model.RoleFedAdmin, policy.BuiltIn, fault.Denied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.membership.Role = tt.cluster
			existing := denial(1500, "namespace", "containsAny", "x")
			existing.CfgType = tt.owner
			if tt.owner == policy.BuiltIn {
				existing = policy.BuiltInRules("")[0]
			} else {
				w.rules = []policy.Rule{existing}
			}
			s := w.service(t)
			check := func(what string, err error) {
				if (err != nil) != (tt.want != fault.Internal) || err != nil && fault.KindOf(err) != tt.want {
					t.Errorf("%s: %v", what, err)
				}
			}
			if tt.owner != policy.BuiltIn {
				_, err := s.AddRule(t.Context(), actor(tt.actor), existing)
				check("add", err)
			}
			_, err := s.UpdateRule(t.Context(), actor(tt.actor), existing)
			check("update", err)
			check("remove", s.RemoveRule(t.Context(), actor(tt.actor), existing.ID))
			for _, e := range w.audit {
				if (e.Outcome == "ok") != (tt.want == fault.Internal) || e.Actor != "someone" {
					t.Errorf("audit: %+v", e)
				}
			}
		})
	}
}

func TestRuleChangesAreInForceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service(t)
	admin := actor(model.RoleAdmin)
	r, err := s.AddRule(t.Context(), admin, denial(7, "image", "containsAny", "bad"))
	if err != nil || r.ID != 1000 || r.Category != "Kubernetes" {
		t.Fatalf("%+v, %v", r, err)
	}
	if review(t, s, pod("bad")).Allowed {
		t.Error("the rule is not in force")
	}
	r.Criteria[0].Value = "worse"
	r.CfgType = ""
	if r, err = s.UpdateRule(t.Context(), admin, r); err != nil || r.CfgType != policy.UserCreated {
		t.Fatalf("%+v, %v", r, err)
	}
	if !review(t, s, pod("bad")).Allowed || review(t, s, pod("worse")).Allowed {
		t.Error("the change is not in force")
	}
	got, err := s.Rule(t.Context(), 1000)
	if diff := cmp.Diff(r, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if err := s.RemoveRule(t.Context(), admin, 1000); err != nil || !review(t, s, pod("worse")).Allowed {
		t.Errorf("the rule is still in force, %v", err)
	}
	rules, err := s.Rules(t.Context())
	if diff := cmp.Diff(policy.BuiltInRules("muster"), rules); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestRuleChangesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rules = []policy.Rule{denial(1000, "image", "containsAny", "bad")}
	s := w.service(t)
	admin := actor(model.RoleFedAdmin)
	broken := denial(1000, "image", ">=", "bad")
	if _, err := s.AddRule(t.Context(), admin, broken); fault.KindOf(err) != fault.Invalid {
		t.Errorf("add: %v", err)
	}
	if _, err := s.UpdateRule(t.Context(), admin, broken); fault.KindOf(err) != fault.Invalid {
		t.Errorf("update: %v", err)
	}
	federal := denial(1000, "image", "containsAny", "bad")
	federal.CfgType = policy.Federal
	if _, err := s.UpdateRule(t.Context(), admin, federal); fault.KindOf(err) != fault.Invalid {
		t.Errorf("another owner: %v", err)
	}
	if _, err := s.UpdateRule(t.Context(), admin, denial(1001, "image", "containsAny", "bad")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update of none: %v", err)
	}
	if err := s.RemoveRule(t.Context(), admin, 1001); fault.KindOf(err) != fault.NotFound {
		t.Errorf("removal of none: %v", err)
	}
	if _, err := s.Rule(t.Context(), 1001); fault.KindOf(err) != fault.NotFound {
		t.Errorf("none: %v", err)
	}
}

func TestSetState(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rules = []policy.Rule{denial(1000, "image", "containsAny", "bad")}
	s := w.service(t)
	if err := s.SetState(t.Context(), actor(model.RoleReader), policy.DefaultState()); fault.KindOf(err) != fault.Denied {
		t.Errorf("a reader: %v", err)
	}
	if err := s.SetState(t.Context(), actor(model.RoleAdmin), policy.State{Enable: true}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no mode: %v", err)
	}
	if err := s.SetState(t.Context(), actor(model.RoleAdmin), policy.DefaultState()); err != nil {
		t.Fatal(err)
	}
	if d := review(t, s, pod("bad")); !d.Allowed || len(d.Violations) != 1 || len(d.Warnings) != 2 {
		t.Errorf("in monitor mode: %+v", d)
	}
	if got, err := s.State(t.Context()); err != nil || got != policy.DefaultState() {
		t.Errorf("state %+v, %v", got, err)
	}
}
