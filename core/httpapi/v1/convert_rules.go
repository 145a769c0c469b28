package v1

import (
	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/policy"
)

func ruleToAPI(r policy.Rule) api.Rule {
	shown := api.Rule{
		ID: r.ID, Category: r.Category, Comment: r.Comment, Criteria: make([]api.Criterion, 0, len(r.Criteria)),
		Disable: r.Disable, CfgType: string(r.CfgType), RuleType: string(r.RuleType), RuleMode: string(r.RuleMode),
		OnMissing: string(r.OnMissing), Unreadable: r.Unreadable,
	}
	for _, c := range r.Criteria {
		shown.Criteria = append(shown.Criteria, api.Criterion(c))
	}
	for _, kind := range r.Containers {
		shown.Containers = append(shown.Containers, string(kind))
	}
	return shown
}

// ruleToModel takes what a client may set; Unreadable is state.
func ruleToModel(r api.Rule) policy.Rule {
	rule := policy.Rule{
		ID: r.ID, Category: r.Category, Comment: r.Comment, Disable: r.Disable,
		CfgType: policy.CfgType(r.CfgType), RuleType: policy.RuleType(r.RuleType), RuleMode: policy.Mode(r.RuleMode),
		OnMissing: policy.OnMissing(r.OnMissing),
	}
	for _, c := range r.Criteria {
		rule.Criteria = append(rule.Criteria, policy.Criterion(c))
	}
	for _, kind := range r.Containers {
		rule.Containers = append(rule.Containers, policy.ContainerKind(kind))
	}
	return rule
}

func decisionToAPI(d admission.Decision) api.Decision {
	shown := api.Decision{
		Allowed: d.Allowed, Message: d.Message, Rule: hitToAPI(d.Rule), Violations: hitsToAPI(d.Violations),
		Containers: make([]api.ContainerDecision, 0, len(d.Containers)), Warnings: d.Warnings,
	}
	for _, c := range d.Containers {
		shown.Containers = append(shown.Containers, containerToAPI(c))
	}
	return shown
}

func containerToAPI(c admission.ContainerDecision) api.ContainerDecision {
	shown := api.ContainerDecision{
		Name: c.Name, Kind: string(c.Kind), Image: c.Image, Allowed: c.Allowed, Note: c.Note,
		Results: make([]api.Verdict, 0, len(c.Results)), Rule: hitToAPI(c.Rule), Violations: hitsToAPI(c.Violations),
	}
	for _, v := range c.Results {
		shown.Results = append(shown.Results, verdictToAPI(v))
	}
	for _, step := range c.Trace {
		shown.Trace = append(shown.Trace, api.RuleStep{ID: step.ID, Outcome: step.Outcome, Why: step.Why})
	}
	return shown
}

func hitsToAPI(hits []policy.Hit) []api.RuleHit {
	var shown []api.RuleHit
	for _, h := range hits {
		shown = append(shown, *hitToAPI(&h))
	}
	return shown
}

func hitToAPI(h *policy.Hit) *api.RuleHit {
	if h == nil {
		return nil
	}
	because := h.Because
	if because == nil {
		because = []string{}
	}
	return &api.RuleHit{
		ID: h.Rule.ID, CfgType: string(h.Rule.CfgType), RuleType: string(h.Rule.RuleType),
		Mode: string(h.Mode), Comment: h.Rule.Comment, Because: because, CVEs: h.CVEs,
	}
}
