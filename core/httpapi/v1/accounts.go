package v1

import (
	"context"
	"net/http"

	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

// Accounts administers accounts.
type Accounts interface {
	Accounts(ctx context.Context) ([]model.Account, error)
	AddAccount(ctx context.Context, actor model.Actor, a model.Account, password string) (model.Account, error)
	RemoveAccount(ctx context.Context, actor model.Actor, username string) error
	SetPassword(ctx context.Context, actor model.Actor, username, current, next string) error
}

// APIKeys administers API keys.
type APIKeys interface {
	Keys(ctx context.Context) ([]model.APIKey, error)
	AddKey(ctx context.Context, actor model.Actor, key model.APIKey) (added model.APIKey, nameAndSecret string, err error)
	RemoveKey(ctx context.Context, actor model.Actor, name string) error
}

func (a *API) listAccounts(w http.ResponseWriter, r *http.Request) error {
	accounts, err := a.Accounts.Accounts(r.Context())
	if err != nil {
		return err
	}
	return list(w, accounts, "", accountToAPI)
}

func (a *API) addAccount(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.Account](w, r)
	if err != nil {
		return err
	}
	account := model.Account{Username: body.Username, Role: model.Role(body.Role)}
	added, err := a.Accounts.AddAccount(r.Context(), httpapi.ActorOf(r.Context()), account, body.Password)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, accountToAPI(added))
}

func (a *API) removeAccount(w http.ResponseWriter, r *http.Request) error {
	if err := a.Accounts.RemoveAccount(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("name")); err != nil {
		return err
	}
	return done(w)
}

func (a *API) setPassword(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.PasswordChange](w, r)
	if err != nil {
		return err
	}
	err = a.Accounts.SetPassword(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("name"), body.Current, body.New)
	if err != nil {
		return err
	}
	return done(w)
}

func (a *API) listAPIKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := a.APIKeys.Keys(r.Context())
	if err != nil {
		return err
	}
	return list(w, keys, "", apiKeyToAPI)
}

func (a *API) addAPIKey(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.APIKey](w, r)
	if err != nil {
		return err
	}
	key := model.APIKey{Name: body.Name, Role: model.Role(body.Role), ExpiresAt: body.ExpiresAt}
	added, text, err := a.APIKeys.AddKey(r.Context(), httpapi.ActorOf(r.Context()), key)
	if err != nil {
		return err
	}
	shown := apiKeyToAPI(added)
	shown.Key = text
	return answer(w, http.StatusCreated, shown)
}

func (a *API) removeAPIKey(w http.ResponseWriter, r *http.Request) error {
	if err := a.APIKeys.RemoveKey(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("name")); err != nil {
		return err
	}
	return done(w)
}
