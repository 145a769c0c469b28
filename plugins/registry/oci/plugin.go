package oci

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/notification"
	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Name is the plugin's name, which is the type of the registries it serves.
const Name = "oci"

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

// DecodePush reads the notifications of the distribution project's registry,
// which zot and others send too.
func (*Registry) DecodePush(_ context.Context, cfg sdk.Config, event sdk.PushEvent) ([]sdk.Push, error) {
	c, _, err := readConfig(cfg)
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
	WebhookSecret string `json:"webhook_secret,omitempty"`
}

// readConfig checks everything that can be checked without a network.
func readConfig(cfg sdk.Config) (*config, settings.Place, error) {
	c := &config{}
	if err := cfg.Decode(c); err != nil {
		return nil, settings.Place{}, err
	}
	place, err := c.Check()
	if err = errors.Join(err, c.checkCredential(), checkPath(place)); err != nil {
		return nil, settings.Place{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return c, place, nil
}

func checkPath(p settings.Place) error {
	if p.Namespace == "" {
		return nil
	}
	return fmt.Errorf("url: the API is at the root of %s; the path %q belongs into the names under `repositories`",
		p.Registry.RegistryStr(), p.Namespace)
}

func (c *config) checkCredential() error {
	if c.Token != "" && (c.Username != "" || c.Password != "") {
		return errors.New("token: excludes username and password")
	}
	return c.Login()
}

func (c *config) credential() sdk.Credential {
	return sdk.Credential{Username: c.Username, Password: c.Password, Token: c.Token}
}

// source asks by the distribution API for everything.
type source struct {
	config *config
	place  settings.Place
	client *distribution.Client
}

func open(cfg sdk.Config, env wire.Env) (*sources.Opened, error) {
	c, place, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	transport := c.Transport(place, env)
	s := &source{config: c, place: place, client: distribution.New(place, c.credential(), transport)}
	return &sources.Opened{
		Source: s, Host: place.Registry.RegistryStr(), Connect: s.client.Reach,
		Configured: c.Repositories, Anonymous: c.credential() == sdk.Credential{}, Close: transport.CloseIdle,
	}, nil
}

// Repositories yields the catalog.
func (s *source) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return s.client.Catalog(ctx)
}

// Tags yields the tags of a repository. A repository that is not there has none
// if the catalog named it, which goes on doing so when the last tag was deleted.
func (s *source) Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		for tag, err := range s.client.Tags(ctx, repository) {
			if errors.Is(err, sdk.ErrNotFound) && !slices.Contains(s.config.Repositories, repository) {
				return
			}
			if !yield(tag, err) {
				return
			}
		}
	}
}

// Credential returns what is configured: the puller does the token exchange
// itself, for the scope and at the time it needs.
func (s *source) Credential(_ context.Context, repository string) (sdk.Credential, error) {
	if _, err := s.place.Repository(repository); err != nil {
		return sdk.Credential{}, err
	}
	return s.config.credential(), nil
}

// Resolve asks for a tag's manifest by HEAD.
func (s *source) Resolve(ctx context.Context, repository, tag string) (sdk.Manifest, error) {
	return s.client.Resolve(ctx, repository, tag)
}

// SignIn presents the credential.
func (s *source) SignIn(ctx context.Context) (string, error) {
	return s.config.credential().String() + " is accepted", s.client.SignIn(ctx)
}
