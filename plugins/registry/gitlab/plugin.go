package gitlab

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"net/url"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/notification"
	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Name is the plugin's name, which is the type of the registries it serves.
const Name = "gitlab"

// anyUser stands before a token where GitLab wants a name and reads none.
const anyUser = "token"

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

// DecodePush reads the notifications that the registry of a self-managed GitLab
// sends, which are those of the distribution project.
func (*Registry) DecodePush(_ context.Context, cfg sdk.Config, event sdk.PushEvent) ([]sdk.Push, error) {
	c, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	if err := notification.Authorize(event, c.WebhookSecret); err != nil {
		return nil, err
	}
	return notification.Distribution(event)
}

type config struct {
	settings.Base
	APIURL        string `json:"api_url,omitempty"`
	WebhookSecret string `json:"webhook_secret,omitempty"`

	place settings.Place
	api   *url.URL // nil: the registry tells it
}

// readConfig checks everything that can be checked without a network.
func readConfig(cfg sdk.Config) (*config, error) {
	c := &config{}
	if err := cfg.Decode(c); err != nil {
		return nil, err
	}
	var err error
	c.place, err = c.Check()
	if err = errors.Join(err, c.checkScheme(), c.checkAPI(), c.Login()); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return c, nil
}

// checkScheme refuses to send a token that reads all of GitLab in plain text.
func (c *config) checkScheme() error {
	if c.place.Plain {
		return errors.New("url: GitLab is spoken to over https only")
	}
	return nil
}

func (c *config) checkAPI() (err error) {
	if c.APIURL == "" {
		return nil
	}
	if c.api, err = settings.Address("api_url", c.APIURL); err == nil && c.api.Scheme != "https" {
		return errors.New("api_url: GitLab is spoken to over https only")
	}
	return err
}

// credential is what pulls: user name and password, or else the token.
func (c *config) credential() sdk.Credential {
	switch {
	case c.Username != "":
		return c.Basic()
	case c.Token != "":
		return sdk.Credential{Username: anyUser, Password: c.Token}
	default:
		return sdk.Credential{}
	}
}

func open(cfg sdk.Config, env wire.Env) (*sources.Opened, error) {
	c, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	transport := c.Transport(c.place, env)
	s := &source{config: c, transport: transport, pulls: distribution.New(c.place, c.credential(), transport)}
	return &sources.Opened{
		Source: s, Host: c.place.Registry.RegistryStr(), Connect: s.connect,
		Configured: c.Repositories, Anonymous: c.Username == "" && c.Token == "", Fix: fix, Close: transport.CloseIdle,
	}, nil
}

// fix says what to change where GitLab is a case of its own.
func fix(step string, err error) string {
	switch {
	case errors.Is(err, errNoToken):
		return "set `token`, or name the repositories in `repositories`"
	case step == "connect":
		return "check that `url` is the registry's address and not GitLab's, and set `api_url` to GitLab's, for instance https://gitlab.example.com"
	case step == "authenticate" && errors.Is(err, sdk.ErrUnauthorized):
		return "check `token`: it may have expired, been revoked, or lack the scope read_api"
	case errors.Is(err, sdk.ErrDenied):
		return "give the token the scopes read_api and read_registry, and its account the role Reporter in the projects"
	default:
		return ""
	}
}
