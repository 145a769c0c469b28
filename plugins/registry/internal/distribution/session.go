package distribution

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxSignedIn  = 256 // repositories of one registry whose tokens are kept
	catalogScope = "registry:catalog:*"
)

// Client asks one registry with one credential. It keeps the registry's
// challenge and tokens, only to be quick. It is safe for concurrent use.
type Client struct {
	place      settings.Place
	credential sdk.Credential
	base       *wire.Transport

	mu        sync.Mutex
	challenge *transport.Challenge
	signedIn  map[string]*wire.Client // by scope
}

// New returns a client that makes its requests through base.
func New(place settings.Place, credential sdk.Credential, base *wire.Transport) *Client {
	return &Client{place: place, credential: credential, base: base, signedIn: map[string]*wire.Client{}}
}

// Ping asks the registry how it authenticates, once in the client's life.
func (c *Client) Ping(ctx context.Context) (*transport.Challenge, error) {
	c.mu.Lock()
	known := c.challenge
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	challenge, err := transport.Ping(ctx, c.place.Registry, c.base)
	if err != nil {
		return nil, wire.Explain(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.challenge = challenge
	return challenge, nil
}

// signIn returns a client that may do what scope says.
func (c *Client) signIn(ctx context.Context, scope string) (*wire.Client, error) {
	c.mu.Lock()
	known := c.signedIn[scope]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	challenge, err := c.Ping(ctx)
	if err != nil {
		return nil, err
	}
	rt, err := c.exchange(ctx, challenge, scope)
	if err != nil {
		return nil, wire.Explain(err)
	}
	client := c.base.Client(func(http.RoundTripper) http.RoundTripper { return rt })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.signedIn) >= maxSignedIn {
		clear(c.signedIn)
	}
	c.signedIn[scope] = client
	return client, nil
}

func (c *Client) exchange(ctx context.Context, challenge *transport.Challenge, scope string) (http.RoundTripper, error) {
	auth := c.authenticator()
	token := &transport.Token{}
	if c.credential.Token != "" {
		token.Token = c.credential.Token
	} else if strings.EqualFold(challenge.Scheme, "bearer") {
		var err error
		if token, err = transport.Exchange(ctx, c.place.Registry, auth, c.base, []string{scope}, challenge); err != nil {
			return nil, err
		}
		if token.Token == "" {
			token.Token = token.AccessToken
		}
	}
	if challenge.Scheme == "" && auth == authn.Anonymous {
		return c.base, nil
	}
	return transport.FromToken(c.place.Registry, auth, c.base, challenge, token)
}

func (c *Client) authenticator() authn.Authenticator {
	switch {
	case c.credential.Token != "":
		return authn.FromConfig(authn.AuthConfig{RegistryToken: c.credential.Token})
	case c.credential.Username != "":
		return authn.FromConfig(authn.AuthConfig{Username: c.credential.Username, Password: c.credential.Password})
	default:
		return authn.Anonymous
	}
}

// SignIn proves that the registry accepts the credential.
func (c *Client) SignIn(ctx context.Context) error {
	client, err := c.signIn(ctx, catalogScope)
	if err != nil {
		return err
	}
	// Without a token service only the registry itself knows whether the
	// credential is right.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.place.URL("/v2/").String(), nil)
	if err != nil {
		return wire.Explain(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// scopeOf is what reading a repository needs.
func scopeOf(repo name.Repository) string { return repo.Scope(transport.PullScope) }

// Reach finds out that there is a registry, without a credential.
func (c *Client) Reach(ctx context.Context) (detail string, err error) {
	challenge, err := c.Ping(ctx)
	switch {
	case err != nil:
		return "", err
	case challenge.Scheme == "":
		return "the registry answers and asks for no login", nil
	default:
		return fmt.Sprintf("the registry answers and asks for %s authentication", challenge.Scheme), nil
	}
}
