package v1

import (
	"context"
	"net/http"
	"strconv"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/httpapi/webhook"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// Rules keeps admission rules.
type Rules interface {
	Rules(ctx context.Context) ([]policy.Rule, error)
	Rule(ctx context.Context, id uint32) (policy.Rule, error)
	AddRule(ctx context.Context, actor model.Actor, r policy.Rule) (policy.Rule, error)
	UpdateRule(ctx context.Context, actor model.Actor, r policy.Rule) (policy.Rule, error)
	RemoveRule(ctx context.Context, actor model.Actor, id uint32) error
}

// Admission keeps this cluster's admission state.
type Admission interface {
	State(ctx context.Context) (policy.State, error)
	SetState(ctx context.Context, actor model.Actor, state policy.State) error
}

// listRules shows all rules, or with ?scope= the federated or the local ones.
func (a *API) listRules(w http.ResponseWriter, r *http.Request) error {
	scope := r.URL.Query().Get("scope")
	if scope != "" && scope != string(model.Federated) && scope != string(model.Local) {
		return fault.New(fault.Invalid, "scope %q is not fed or local", scope)
	}
	rules, err := a.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	var shown []policy.Rule
	for _, rule := range rules {
		if scope == "" || scope == string(rule.CfgType.Origin()) {
			shown = append(shown, rule)
		}
	}
	return list(w, shown, "", ruleToAPI)
}

func (a *API) addRule(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.Rule](w, r)
	if err != nil {
		return err
	}
	if body.CfgType == "" {
		body.CfgType = string(policy.UserCreated)
	}
	added, err := a.Rules.AddRule(r.Context(), httpapi.ActorOf(r.Context()), ruleToModel(body))
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, ruleToAPI(added))
}

func (a *API) rule(w http.ResponseWriter, r *http.Request) error {
	id, err := ruleID(r)
	if err != nil {
		return err
	}
	rule, err := a.Rules.Rule(r.Context(), id)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, ruleToAPI(rule))
}

func (a *API) changeRule(w http.ResponseWriter, r *http.Request) error {
	id, err := ruleID(r)
	if err != nil {
		return err
	}
	body, err := httpapi.ReadJSON[api.Rule](w, r)
	if err != nil {
		return err
	}
	if body.ID != 0 && body.ID != id {
		return fault.New(fault.Invalid, "the body is rule %d, the URL rule %d", body.ID, id)
	}
	body.ID = id
	changed, err := a.Rules.UpdateRule(r.Context(), httpapi.ActorOf(r.Context()), ruleToModel(body))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, ruleToAPI(changed))
}

func (a *API) removeRule(w http.ResponseWriter, r *http.Request) error {
	id, err := ruleID(r)
	if err != nil {
		return err
	}
	if err := a.Rules.RemoveRule(r.Context(), httpapi.ActorOf(r.Context()), id); err != nil {
		return err
	}
	return done(w)
}

func ruleID(r *http.Request) (uint32, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%q is not the id of a rule", r.PathValue("id"))
	}
	return uint32(id), nil
}

func (a *API) admissionState(w http.ResponseWriter, r *http.Request) error {
	state, err := a.Admission.State(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.AdmissionState{Enable: state.Enable, Mode: string(state.Mode)})
}

func (a *API) setAdmissionState(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.AdmissionState](w, r)
	if err != nil {
		return err
	}
	state := policy.State{Enable: body.Enable, Mode: policy.Mode(body.Mode)}
	if err := a.Admission.SetState(r.Context(), httpapi.ActorOf(r.Context()), state); err != nil {
		return err
	}
	return a.admissionState(w, r)
}

// review judges like the webhook does, and shows why.
func (a *API) review(w http.ResponseWriter, r *http.Request) error {
	review, decision, err := webhook.Judge(w, r, a.Reviewer)
	if err != nil {
		return err
	}
	shown := decisionToAPI(decision)
	for i := range shown.Containers {
		a.ageVerdicts(shown.Containers[i].Results)
	}
	return answer(w, http.StatusOK, api.ReviewAnswer{Review: review, Decision: shown})
}
