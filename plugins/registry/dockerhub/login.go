package dockerhub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// login exchanges an access token for the short-lived bearer token that the API
// takes, and does so again when that has expired. It is safe for concurrent use.
type login struct {
	config *config
	client *wire.Client

	mu     sync.Mutex // held during an exchange: who comes meanwhile uses its result
	bearer string
}

func newLogin(c *config, t *wire.Transport) *login {
	return &login{config: c, client: t.Client(nil)}
}

// sign is a sign function of wire.Client.
func (l *login) sign(next http.RoundTripper) http.RoundTripper {
	if l.config.Username == "" {
		return next
	}
	return &signer{login: l, next: next}
}

// token returns a bearer token other than stale, which was refused.
func (l *login) token(ctx context.Context, stale string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bearer != "" && l.bearer != stale {
		return l.bearer, nil
	}
	body, err := json.Marshal(map[string]string{"identifier": l.config.Username, "secret": l.config.Password})
	if err != nil {
		return "", fmt.Errorf("encoding the login: %w", err)
	}
	u := at(l.config.api, nil, "auth", "token").String()
	req, err := http.NewRequestWithContext(wire.Repeatable(ctx), http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	req.Header.Set("Content-Type", "application/json")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if _, err := l.client.JSON(req, &answer); err != nil {
		return "", err
	}
	if answer.AccessToken == "" {
		return "", fmt.Errorf("%w: Docker Hub accepts the login and gives no token", sdk.ErrUnavailable)
	}
	l.bearer = answer.AccessToken
	return l.bearer, nil
}

// signer adds the bearer token to requests to the API.
type signer struct {
	login *login
	next  http.RoundTripper
}

// RoundTrip makes a request, and if its token has expired, once more with a new
// one.
func (s *signer) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.EqualFold(req.URL.Host, s.login.config.api.Host) {
		return s.next.RoundTrip(req)
	}
	token, err := s.login.token(req.Context(), "")
	if err != nil {
		return nil, err
	}
	resp, err := s.next.RoundTrip(with(req, token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	resp.Body.Close()
	if token, err = s.login.token(req.Context(), token); err != nil {
		return nil, err
	}
	return s.next.RoundTrip(with(req, token))
}

func with(req *http.Request, token string) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// at returns an address of the API, version 2.
func at(api *url.URL, query url.Values, parts ...string) *url.URL {
	u := api.JoinPath(append([]string{"v2"}, parts...)...)
	u.RawQuery = query.Encode()
	return u
}
