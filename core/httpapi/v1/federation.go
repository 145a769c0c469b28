package v1

import (
	"context"
	"net/http"

	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

// Federation changes and tells what this cluster is.
type Federation interface {
	Membership(ctx context.Context) (model.Membership, error)
	Promote(ctx context.Context, actor model.Actor, name, advertise string) error
	Demote(ctx context.Context, actor model.Actor) error
	Join(ctx context.Context, actor model.Actor, token, name string) error
	Leave(ctx context.Context, actor model.Actor, force bool) error
}

// FedSettings keeps the federation's settings.
type FedSettings interface {
	Settings(ctx context.Context) (model.FedSettings, error)
	SetSettings(ctx context.Context, actor model.Actor, s model.FedSettings) error
}

func (a *API) federation(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Federation.Membership(r.Context())
	if err != nil {
		return err
	}
	settings, err := a.FedSettings.Settings(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, federationToAPI(m, settings))
}

func (a *API) promote(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.PromoteRequest](w, r)
	if err != nil {
		return err
	}
	if err := a.Federation.Promote(r.Context(), httpapi.ActorOf(r.Context()), body.Name, body.Advertise); err != nil {
		return err
	}
	return a.federation(w, r)
}

func (a *API) demote(w http.ResponseWriter, r *http.Request) error {
	if err := a.Federation.Demote(r.Context(), httpapi.ActorOf(r.Context())); err != nil {
		return err
	}
	return a.federation(w, r)
}

func (a *API) join(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.JoinRequest](w, r)
	if err != nil {
		return err
	}
	if err := a.Federation.Join(r.Context(), httpapi.ActorOf(r.Context()), body.Token, body.Name); err != nil {
		return err
	}
	return a.federation(w, r)
}

func (a *API) leave(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.LeaveRequest](w, r)
	if err != nil {
		return err
	}
	if err := a.Federation.Leave(r.Context(), httpapi.ActorOf(r.Context()), body.Force); err != nil {
		return err
	}
	return a.federation(w, r)
}

func (a *API) fedSettings(w http.ResponseWriter, r *http.Request) error {
	settings, err := a.FedSettings.Settings(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, fedSettingsToAPI(settings))
}

func (a *API) setFedSettings(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.FedSettings](w, r)
	if err != nil {
		return err
	}
	if err := a.FedSettings.SetSettings(r.Context(), httpapi.ActorOf(r.Context()), fedSettingsToModel(body)); err != nil {
		return err
	}
	return a.fedSettings(w, r)
}
