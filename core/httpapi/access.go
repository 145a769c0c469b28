package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// Authenticator says who a session token or an API key belongs to; anything
// unknown or over is an Unauthenticated fault.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (model.Actor, error)
	AuthenticateKey(ctx context.Context, nameAndSecret string) (model.Actor, error)
}

// APIKeyHeader carries "name:secret".
const APIKeyHeader = "X-Muster-Apikey"

// Authenticate finds out who asks and notes it for ActorOf and the log.
func Authenticate(r *http.Request, by Authenticator) (model.Actor, error) {
	actor, err := authenticate(r, by)
	if err == nil {
		requestOf(r.Context()).actor = actor
	}
	return actor, err
}

func authenticate(r *http.Request, by Authenticator) (model.Actor, error) {
	token, key := BearerToken(r), r.Header.Get(APIKeyHeader)
	switch {
	case token != "" && key != "":
		return model.Actor{}, fault.New(fault.Invalid, "the request carries both a session token and an API key")
	case token != "":
		return by.Authenticate(r.Context(), token)
	case key != "":
		return by.AuthenticateKey(r.Context(), key)
	}
	return model.Actor{}, fault.New(fault.Unauthenticated, "the request carries neither a session token nor an API key").
		WithHint("log in with muster login, or send an API key in %s", APIKeyHeader)
}

// BearerToken is the session token a request carries, or "".
func BearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// ActorOf is who asks; only behind Authenticate it is anybody.
func ActorOf(ctx context.Context) model.Actor { return requestOf(ctx).actor }

// Permit refuses an actor that has none of the permissions. None asked for
// means that any actor may.
func Permit(actor model.Actor, anyOf ...model.Permission) error {
	if len(anyOf) == 0 || slices.ContainsFunc(anyOf, actor.Role.Can) {
		return nil
	}
	return fault.New(fault.Denied, "%s has role %s, which lacks the permission %q", actor.Name, actor.Role, anyOf[0])
}
