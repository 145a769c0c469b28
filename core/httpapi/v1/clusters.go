package v1

import (
	"context"
	"net/http"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

// Tokens makes and revokes join tokens.
type Tokens interface {
	CreateToken(ctx context.Context, actor model.Actor, ttl time.Duration, maxUses int) (token string, rec model.JoinToken, err error)
	Tokens(ctx context.Context) ([]model.JoinToken, error)
	RevokeToken(ctx context.Context, actor model.Actor, id string) error
}

// Clusters knows the clusters of the federation.
type Clusters interface {
	Clusters(ctx context.Context) ([]model.Cluster, error)
	RemoveCluster(ctx context.Context, actor model.Actor, id string) error
	Deploy(ctx context.Context, actor model.Actor, id string) error
}

// maxTokenTTL keeps seconds from overflowing; what is sensible the service says.
const maxTokenTTL = int64(10 * 365 * 24 * time.Hour / time.Second)

func (a *API) listTokens(w http.ResponseWriter, r *http.Request) error {
	tokens, err := a.Tokens.Tokens(r.Context())
	if err != nil {
		return err
	}
	now := a.Now()
	return list(w, tokens, "", func(t model.JoinToken) api.Token { return tokenToAPI(t, now) })
}

func (a *API) createToken(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.TokenRequest](w, r)
	if err != nil {
		return err
	}
	if body.TTLSeconds < 0 || body.TTLSeconds > maxTokenTTL || body.MaxUses < 0 {
		return fault.New(fault.Invalid, "ttl_seconds and max_uses are not negative, and a token ends within ten years")
	}
	ttl := time.Duration(body.TTLSeconds) * time.Second
	text, token, err := a.Tokens.CreateToken(r.Context(), httpapi.ActorOf(r.Context()), ttl, body.MaxUses)
	if err != nil {
		return err
	}
	shown := tokenToAPI(token, a.Now())
	shown.Token = text
	return answer(w, http.StatusCreated, shown)
}

func (a *API) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := a.Tokens.RevokeToken(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	return done(w)
}

func (a *API) listClusters(w http.ResponseWriter, r *http.Request) error {
	clusters, err := a.Clusters.Clusters(r.Context())
	if err != nil {
		return err
	}
	return list(w, clusters, "", clusterToAPI)
}

func (a *API) cluster(w http.ResponseWriter, r *http.Request) error {
	clusters, err := a.Clusters.Clusters(r.Context())
	if err != nil {
		return err
	}
	for _, c := range clusters {
		if c.ID == r.PathValue("id") {
			return answer(w, http.StatusOK, clusterToAPI(c))
		}
	}
	return fault.New(fault.NotFound, "no cluster with id %q", r.PathValue("id")).WithHint("muster cluster list shows the ids")
}

func (a *API) removeCluster(w http.ResponseWriter, r *http.Request) error {
	if err := a.Clusters.RemoveCluster(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	return done(w)
}

func (a *API) deploy(w http.ResponseWriter, r *http.Request) error {
	if err := a.Clusters.Deploy(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
