package harbor

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Name is the plugin's name, which is the type of the registries it serves.
const Name = "harbor"

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
	if err = errors.Join(err, c.checkToken(), c.Login()); err != nil {
		return nil, settings.Place{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return c, place, nil
}

func (c *config) checkToken() error {
	if c.Token != "" {
		return errors.New("token: Harbor takes user name and password; a robot's secret is its password")
	}
	return nil
}

func open(cfg sdk.Config, env wire.Env) (*sources.Opened, error) {
	c, place, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	transport := c.Transport(place, env)
	host := place.Registry.RegistryStr()
	s := &source{
		config: c, place: place,
		api:    transport.Client(c.SignBasic(host)),
		pulls:  distribution.New(place, c.Basic(), transport),
		opener: transport.Client(nil),
	}
	return &sources.Opened{
		Source: s, Host: host, Connect: s.connect,
		Configured: c.Repositories, Anonymous: c.Username == "", Fix: fix, Close: transport.CloseIdle,
	}, nil
}

// fix says what to change where Harbor is a case of its own.
func fix(step string, err error) string {
	switch {
	case step == "connect" && errors.Is(err, sdk.ErrNotFound):
		return "check `url`: this is not Harbor 2; other registries are of the type oci"
	case step == "authenticate" && errors.Is(err, sdk.ErrUnauthorized):
		return "check `username` and `password`; a robot's name begins with robot$ and may have expired"
	case step == "list" && errors.Is(err, sdk.ErrDenied):
		return "give the robot the permissions to list repositories and artifacts, or put its project's name behind the host in `url`"
	default:
		return ""
	}
}

// connect finds out that this is Harbor, which tells a little without a login.
func (s *source) connect(ctx context.Context) (string, error) {
	var info struct {
		AuthMode string `json:"auth_mode"`
	}
	if _, err := s.opener.Get(ctx, s.place.URL("/api/v2.0/systeminfo"), &info); err != nil {
		return "", err
	}
	return fmt.Sprintf("Harbor answers, its users are in %q", info.AuthMode), nil
}

// SignIn asks Harbor's token service for a token, which robots may do too.
func (s *source) SignIn(ctx context.Context) (string, error) {
	return s.config.Basic().String() + " is accepted", s.pulls.SignIn(ctx)
}
