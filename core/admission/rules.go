package admission

import (
	"context"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// Rules are all rules of this cluster: built-in, federated, local, each by id.
func (s *Service) Rules(ctx context.Context) ([]policy.Rule, error) {
	stored, err := s.o.Rules.Rules(ctx)
	if err != nil {
		return nil, err
	}
	return append(policy.BuiltInRules(s.o.Namespace), stored...), nil
}

// Rule is one rule by its id; fault.NotFound when there is none.
func (s *Service) Rule(ctx context.Context, id uint32) (policy.Rule, error) {
	rules, err := s.Rules(ctx)
	if err != nil {
		return policy.Rule{}, err
	}
	for _, r := range rules {
		if r.ID == id {
			return r, nil
		}
	}
	return policy.Rule{}, fault.New(fault.NotFound, "admission: there is no rule %d", id)
}

// AddRule keeps a new rule under an id that it is given, whatever id it came
// with. A federal rule needs model.FedWrite on a primary, a local one model.WriteAll.
func (s *Service) AddRule(ctx context.Context, actor model.Actor, r policy.Rule) (policy.Rule, error) {
	r.ID, r.Category = 0, policy.Category
	added := r
	err := s.audited(ctx, actor, "rule.add", string(r.CfgType), func() (err error) {
		if err = policy.Validate(r); err == nil {
			err = s.mayChange(ctx, actor, r.CfgType)
		}
		if err == nil {
			added, err = s.o.Rules.AddRule(ctx, r)
		}
		return err
	})
	return added, err
}

// UpdateRule replaces the rule of that id. Its owner cannot change: an empty
// CfgType keeps it, another one is refused. It needs what AddRule needs.
func (s *Service) UpdateRule(ctx context.Context, actor model.Actor, r policy.Rule) (policy.Rule, error) {
	r.Category = policy.Category
	err := s.audited(ctx, actor, "rule.update", ruleName(r.ID), func() error {
		old, err := s.Rule(ctx, r.ID)
		if err != nil {
			return err
		}
		if r.CfgType == "" {
			r.CfgType = old.CfgType
		}
		if err := s.mayChange(ctx, actor, old.CfgType); err != nil {
			return err
		}
		if r.CfgType != old.CfgType {
			return fault.New(fault.Invalid, "admission: rule %d is %s and cannot become %s", r.ID, old.CfgType, r.CfgType).
				WithHint("add a new rule and remove this one")
		}
		if err := policy.Validate(r); err != nil {
			return err
		}
		return s.o.Rules.UpdateRule(ctx, r)
	})
	return r, err
}

// RemoveRule removes a rule. It needs what AddRule needs.
func (s *Service) RemoveRule(ctx context.Context, actor model.Actor, id uint32) error {
	return s.audited(ctx, actor, "rule.remove", ruleName(id), func() error {
		old, err := s.Rule(ctx, id)
		if err != nil {
			return err
		}
		if err := s.mayChange(ctx, actor, old.CfgType); err != nil {
			return err
		}
		return s.o.Rules.RemoveRule(ctx, old.CfgType, id)
	})
}

// mayChange says whether the actor may change rules of that owner on this cluster.
func (s *Service) mayChange(ctx context.Context, actor model.Actor, owner policy.CfgType) error {
	switch owner {
	case policy.BuiltIn:
		return fault.New(fault.Denied, "admission: built-in rules cannot be changed")
	case policy.UserCreated:
		if !actor.Role.Can(model.WriteAll) {
			return fault.New(fault.Denied, "admission: %s may not change rules", actor.Name)
		}
		return nil
	}
	m, err := s.o.Memberships.Membership(ctx)
	switch {
	case err != nil:
		return err
	case m.Role == model.Managed:
		return fault.New(fault.Denied, "admission: federated rules are read-only on a managed cluster").
			WithHint("change the rule on the primary cluster %s", m.PrimaryName)
	case m.Role != model.Primary:
		return fault.New(fault.Denied, "admission: federated rules exist on a primary cluster only").
			WithHint("promote this cluster first: muster promote")
	case !actor.Role.Can(model.FedWrite):
		return fault.New(fault.Denied, "admission: %s may not change federated rules", actor.Name).
			WithHint("log in as a federated administrator (role %s)", model.RoleFedAdmin)
	}
	return nil
}

func ruleName(id uint32) string { return fmt.Sprintf("rule %d", id) }
