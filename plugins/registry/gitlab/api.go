package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

var errNoToken = errors.New("GitLab lists repositories only to a token with the scope read_api")

// source lists repositories by GitLab's API and the rest by the registry's.
type source struct {
	config    *config
	transport *wire.Transport
	pulls     *distribution.Client

	mu    sync.Mutex
	found *api
}

// api is GitLab, signed in.
type api struct {
	base   *url.URL
	client *wire.Client
}

// api finds GitLab: as configured, or as the registry names it.
func (s *source) api(ctx context.Context) (*api, error) {
	s.mu.Lock()
	known := s.found
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	base := s.config.api
	if base == nil {
		challenge, err := s.pulls.Ping(ctx)
		if err != nil {
			return nil, err
		}
		if base, err = issuer(challenge.Parameters["realm"]); err != nil {
			return nil, err
		}
	}
	found := &api{base: base, client: s.transport.Client(wire.Header(base.Host, "PRIVATE-TOKEN", s.config.Token))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = found
	return found, nil
}

// issuer is the GitLab that gives out the tokens of its registry at /jwt/auth.
func issuer(realm string) (*url.URL, error) {
	u, err := url.Parse(realm)
	if err == nil {
		path, ok := strings.CutSuffix(u.Path, "/jwt/auth")
		if ok && u.Scheme == "https" && u.Host != "" && u.User == nil {
			return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path}, nil
		}
	}
	return nil, fmt.Errorf("%w: the registry does not say which GitLab it belongs to: set `api_url` to GitLab's address", sdk.ErrNotFound)
}

// at returns an address of the API. Parts are escaped, so that a path of groups
// is one part.
func (a *api) at(query url.Values, parts ...string) *url.URL {
	u := *a.base
	plain, escaped := strings.TrimRight(u.Path, "/")+"/api/v4", strings.TrimRight(u.EscapedPath(), "/")+"/api/v4"
	for _, p := range parts {
		plain += "/" + p
		escaped += "/" + url.PathEscape(p)
	}
	u.Path, u.RawPath, u.RawQuery = plain, escaped, query.Encode()
	return &u
}

func (s *source) connect(ctx context.Context) (string, error) {
	detail, err := s.pulls.Reach(ctx)
	if err != nil {
		return "", err
	}
	a, err := s.api(ctx)
	if err != nil {
		return "", err
	}
	return detail + "; its GitLab is " + a.base.String(), nil
}

// SignIn asks GitLab whose the token is, or without one, presents user name and
// password to the registry.
func (s *source) SignIn(ctx context.Context) (string, error) {
	if s.config.Token == "" {
		return s.config.credential().String() + " is accepted", s.pulls.SignIn(ctx)
	}
	a, err := s.api(ctx)
	if err != nil {
		return "", err
	}
	var user struct {
		Username string `json:"username"`
	}
	if _, err := a.client.Get(ctx, a.at(nil, "user"), &user); err != nil {
		return "", err
	}
	return fmt.Sprintf("the token of %q is accepted", user.Username), nil
}
