package dockerhub

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/notification"
	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// Name is the plugin's name, which is the type of the registries it serves.
	Name = "dockerhub"

	defaultAPI = "https://hub.docker.com"
)

// Schema is the JSON Schema of the configuration.
//
//go:embed schema.json
var Schema string

// Registry is the plugin. It is safe for concurrent use.
type Registry struct {
	*sources.Registry
}

var (
	_ sdk.Registry    = (*Registry)(nil)
	_ sdk.TagResolver = (*Registry)(nil)
	_ sdk.PushDecoder = (*Registry)(nil)
)

// New returns the plugin's handler.
func New() *Registry { return newRegistry(wire.System()) }

func newRegistry(env wire.Env) *Registry { return &Registry{sources.New(open, env)} }

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindRegistry, ConfigSchema: Schema, Registry: New()}
}

// DecodePush reads a webhook call. Docker Hub signs none and sends no header of
// one's choice: whoever takes the calls in has to give them an address that
// nobody else knows.
func (*Registry) DecodePush(_ context.Context, cfg sdk.Config, event sdk.PushEvent) ([]sdk.Push, error) {
	if _, err := readConfig(cfg); err != nil {
		return nil, err
	}
	return decodePush(event)
}

func decodePush(event sdk.PushEvent) ([]sdk.Push, error) {
	var call struct {
		PushData struct {
			Tag string `json:"tag"`
		} `json:"push_data"`
		Repository struct {
			RepoName string `json:"repo_name"`
		} `json:"repository"`
	}
	if err := notification.Decode(event, &call); err != nil {
		return nil, err
	}
	var pushes notification.Pushes
	pushes.Add(sdk.Push{Repository: call.Repository.RepoName, Tag: call.PushData.Tag})
	return pushes.List()
}

type config struct {
	settings.Base
	APIURL string `json:"api_url,omitempty"`

	place settings.Place
	api   *url.URL
}

// readConfig checks everything that can be checked without a network.
func readConfig(cfg sdk.Config) (*config, error) {
	c := &config{}
	if err := cfg.Decode(c); err != nil {
		return nil, err
	}
	var err error
	c.place, err = c.Check()
	if err = errors.Join(err, c.checkAPI(), c.checkToken(), c.Login()); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return c, nil
}

// checkAPI refuses to list Docker Hub and to pull from somewhere else.
func (c *config) checkAPI() (err error) {
	if c.APIURL != "" {
		c.api, err = settings.Address("api_url", c.APIURL)
		return err
	}
	hosts := []string{"index.docker.io", "registry-1.docker.io"} // docker.io has become the first of them
	if host := c.place.Registry.RegistryStr(); host != "" && !slices.Contains(hosts, host) {
		return fmt.Errorf("url: images of Docker Hub are pulled from https://docker.io, not from %s", host)
	}
	c.api, err = settings.Address("api_url", defaultAPI)
	return err
}

func (c *config) checkToken() error {
	if c.Token != "" {
		return errors.New("token: Docker Hub takes an access token as `password`, with the user's or the organization's name as `username`")
	}
	return nil
}

// namespace is what is listed.
func (c *config) namespace() string {
	if c.place.Namespace != "" {
		return c.place.Namespace
	}
	return c.Username
}

func open(cfg sdk.Config, env wire.Env) (*sources.Opened, error) {
	c, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	transport := c.Transport(c.place, env)
	s := &source{config: c, login: newLogin(c, transport), pulls: distribution.New(c.place, c.Basic(), transport)}
	s.api = transport.Client(s.login.sign)
	return &sources.Opened{
		Source: s, Host: c.place.Registry.RegistryStr(), Connect: s.pulls.Reach,
		Configured: c.Repositories, Anonymous: c.Username == "", Fix: fix, Close: transport.CloseIdle,
	}, nil
}

// fix says what to change where Docker Hub is a case of its own.
func fix(step string, err error) string {
	switch {
	case errors.Is(err, errNoNamespace):
		return "put the namespace behind the host in `url`, for instance https://docker.io/acme"
	case step == "authenticate" && errors.Is(err, sdk.ErrUnauthorized):
		return "check `username`, and set `password` to an access token: the account's own password does not do where a second factor is asked for"
	case step == "list" && errors.Is(err, sdk.ErrNotFound):
		return "check the namespace in `url`: Docker Hub does not know it, or hides it from this account"
	default:
		return ""
	}
}
