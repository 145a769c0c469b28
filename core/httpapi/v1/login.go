package v1

import (
	"context"
	"net/http"

	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/identity"
)

// Sessions logs people in and out.
type Sessions interface {
	Login(ctx context.Context, c identity.Credentials) (identity.Session, error)
	Logout(ctx context.Context, token string) error
}

func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.LoginRequest](w, r)
	if err != nil {
		return err
	}
	session, err := a.Sessions.Login(r.Context(), identity.Credentials{
		Username: body.Username, Password: body.Password, Source: httpapi.Source(r),
	})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.LoginResponse{
		Token: session.Token, ExpiresAt: session.ExpiresAt,
		Username: session.Actor.Name, Role: string(session.Actor.Role),
	})
}

// logout of an API key is nothing to do: it has no session.
func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	if token := httpapi.BearerToken(r); token != "" {
		if err := a.Sessions.Logout(r.Context(), token); err != nil {
			return err
		}
	}
	return done(w)
}
