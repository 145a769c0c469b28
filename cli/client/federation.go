package client

import (
	"context"
	"net/http"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// Federation says what this cluster is in its federation.
func (c *Client) Federation(ctx context.Context) (api.Federation, error) {
	return get[api.Federation](ctx, c, "/federation")
}

// FedSettings gives the switches of the federation.
func (c *Client) FedSettings(ctx context.Context) (api.FedSettings, error) {
	return get[api.FedSettings](ctx, c, "/federation/settings")
}

// SetFedSettings sets the switches of the federation, on the primary.
func (c *Client) SetFedSettings(ctx context.Context, s api.FedSettings) (api.FedSettings, error) {
	return ask[api.FedSettings](ctx, c, call{method: http.MethodPut, path: "/federation/settings", body: s})
}

// Promote makes the cluster the primary of a new federation.
func (c *Client) Promote(ctx context.Context, in api.PromoteRequest) (api.Federation, error) {
	return ask[api.Federation](ctx, c, call{method: http.MethodPost, path: "/federation/promote", body: in})
}

// Demote ends the federation that the cluster leads.
func (c *Client) Demote(ctx context.Context) (api.Federation, error) {
	return ask[api.Federation](ctx, c, call{method: http.MethodPost, path: "/federation/demote"})
}

// Join makes the cluster a member of the federation that the token opens. It
// returns when the primary has answered.
func (c *Client) Join(ctx context.Context, in api.JoinRequest) (api.Federation, error) {
	return ask[api.Federation](ctx, c, call{method: http.MethodPost, path: "/federation/join", body: in, long: true})
}

// Leave ends the cluster's membership.
func (c *Client) Leave(ctx context.Context, in api.LeaveRequest) (api.Federation, error) {
	return ask[api.Federation](ctx, c, call{method: http.MethodPost, path: "/federation/leave", body: in, long: true})
}

// Tokens lists the join tokens, without their secrets.
func (c *Client) Tokens(ctx context.Context) (api.List[api.Token], error) {
	return get[api.List[api.Token]](ctx, c, "/federation/tokens")
}

// CreateToken makes a join token; the answer alone carries it.
func (c *Client) CreateToken(ctx context.Context, in api.TokenRequest) (api.Token, error) {
	return ask[api.Token](ctx, c, call{method: http.MethodPost, path: "/federation/tokens", body: in})
}

// RevokeToken makes a join token worthless.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.send(ctx, call{method: http.MethodDelete, path: path("federation", "tokens", id)}, nil)
}

// Clusters lists the clusters of the federation.
func (c *Client) Clusters(ctx context.Context) (api.List[api.Cluster], error) {
	return get[api.List[api.Cluster]](ctx, c, "/clusters")
}

// RemoveCluster removes a member; it learns so at its next contact.
func (c *Client) RemoveCluster(ctx context.Context, id string) error {
	return c.send(ctx, call{method: http.MethodDelete, path: path("clusters", id)}, nil)
}

// DeployCluster wakes a member for a full comparison; it does not wait for its end.
func (c *Client) DeployCluster(ctx context.Context, id string) error {
	return c.send(ctx, call{method: http.MethodPost, path: path("clusters", id, "deploy")}, nil)
}
