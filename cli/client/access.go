package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// Login opens a session. The client itself keeps no token: make a new one with it.
func (c *Client) Login(ctx context.Context, username, password string) (api.LoginResponse, error) {
	body := api.LoginRequest{Username: username, Password: password}
	return ask[api.LoginResponse](ctx, c, call{method: http.MethodPost, path: "/login", body: body})
}

// Logout ends the session of the client's token.
func (c *Client) Logout(ctx context.Context) error {
	return c.send(ctx, call{method: http.MethodPost, path: "/logout"}, nil)
}

// Status says what the daemon is and who asks.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return get[api.Status](ctx, c, "/status")
}

// Accounts lists the accounts.
func (c *Client) Accounts(ctx context.Context) (api.List[api.Account], error) {
	return get[api.List[api.Account]](ctx, c, "/accounts")
}

// AddAccount makes an account; its Password must be set.
func (c *Client) AddAccount(ctx context.Context, a api.Account) (api.Account, error) {
	return ask[api.Account](ctx, c, call{method: http.MethodPost, path: "/accounts", body: a})
}

// RemoveAccount removes an account.
func (c *Client) RemoveAccount(ctx context.Context, username string) error {
	return c.send(ctx, call{method: http.MethodDelete, path: path("accounts", username)}, nil)
}

// ChangePassword sets an account's password; the current one is needed for one's own.
func (c *Client) ChangePassword(ctx context.Context, username string, change api.PasswordChange) error {
	return c.send(ctx, call{method: http.MethodPut, path: path("accounts", username, "password"), body: change}, nil)
}

// APIKeys lists the API keys, without their secrets.
func (c *Client) APIKeys(ctx context.Context) (api.List[api.APIKey], error) {
	return get[api.List[api.APIKey]](ctx, c, "/apikeys")
}

// CreateAPIKey makes an API key; the answer alone carries its secret.
func (c *Client) CreateAPIKey(ctx context.Context, k api.APIKey) (api.APIKey, error) {
	return ask[api.APIKey](ctx, c, call{method: http.MethodPost, path: "/apikeys", body: k})
}

// RemoveAPIKey removes an API key.
func (c *Client) RemoveAPIKey(ctx context.Context, name string) error {
	return c.send(ctx, call{method: http.MethodDelete, path: path("apikeys", name)}, nil)
}

// Audit gives one page of the audit trail, newest first; cursor is the Next of
// the page before, limit 0 leaves the size of the page to the daemon.
func (c *Client) Audit(ctx context.Context, cursor string, limit int) (api.List[api.AuditEvent], error) {
	values := url.Values{}
	setAll(values, map[string]string{"cursor": cursor, "limit": number(limit)})
	return ask[api.List[api.AuditEvent]](ctx, c, call{method: http.MethodGet, path: "/audit", query: values})
}

// Plugins lists the plugins and how they are.
func (c *Client) Plugins(ctx context.Context) (api.List[api.Plugin], error) {
	return get[api.List[api.Plugin]](ctx, c, "/plugins")
}

// DB says which vulnerability database the daemon uses.
func (c *Client) DB(ctx context.Context) (api.DB, error) {
	return get[api.DB](ctx, c, "/db")
}
