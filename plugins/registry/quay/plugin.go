package quay

import (
	"context"
	_ "embed" // the schema
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/notification"
	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Name is the plugin's name, which is the type of the registries it serves.
const Name = "quay"

// tokenUser stands before an OAuth token where the registry wants a name.
const tokenUser = "$oauthtoken"

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

// DecodePush reads the notification of a push. Quay signs none and sends no
// header of one's choice: whoever takes notifications in has to give them an
// address that nobody else knows.
func (*Registry) DecodePush(_ context.Context, cfg sdk.Config, event sdk.PushEvent) ([]sdk.Push, error) {
	if _, err := readConfig(cfg); err != nil {
		return nil, err
	}
	return decodePush(event)
}

func decodePush(event sdk.PushEvent) ([]sdk.Push, error) {
	var call struct {
		Repository  string          `json:"repository"`
		UpdatedTags json.RawMessage `json:"updated_tags"` // a list, or once an object by tag
	}
	if err := notification.Decode(event, &call); err != nil {
		return nil, err
	}
	switch {
	case call.Repository == "":
		return nil, fmt.Errorf("%w: the notification names no repository", sdk.ErrInvalid)
	case call.UpdatedTags == nil:
		return nil, nil // about something else than a push
	}
	var tags []string
	if err := json.Unmarshal(call.UpdatedTags, &tags); err != nil {
		var byTag map[string]any
		if json.Unmarshal(call.UpdatedTags, &byTag) != nil {
			return nil, fmt.Errorf("%w: the notification: updated_tags: %w", sdk.ErrInvalid, err)
		}
		for tag := range byTag {
			tags = append(tags, tag)
		}
		slices.Sort(tags)
	}
	var pushes notification.Pushes
	for _, tag := range tags {
		pushes.Add(sdk.Push{Repository: call.Repository, Tag: tag})
	}
	return pushes.List()
}

type config struct {
	settings.Base

	place settings.Place
}

// readConfig checks everything that can be checked without a network.
func readConfig(cfg sdk.Config) (*config, error) {
	c := &config{}
	if err := cfg.Decode(c); err != nil {
		return nil, err
	}
	var err error
	c.place, err = c.Check()
	if err = errors.Join(err, c.Login()); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return c, nil
}

// namespace is what is listed.
func (c *config) namespace() string {
	if c.place.Namespace != "" {
		return c.place.Namespace
	}
	owner, _, isRobot := strings.Cut(c.Username, "+")
	if isRobot {
		return owner
	}
	return ""
}

// credential is what pulls: the robot, or else the token.
func (c *config) credential() sdk.Credential {
	switch {
	case c.Username != "":
		return c.Basic()
	case c.Token != "":
		return sdk.Credential{Username: tokenUser, Password: c.Token}
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
	host := c.place.Registry.RegistryStr()
	sign := wire.Header(host, "Authorization", "Bearer "+c.Token)
	if c.Token == "" {
		sign = nil
	}
	s := &source{config: c, api: transport.Client(sign), pulls: distribution.New(c.place, c.credential(), transport)}
	return &sources.Opened{
		Source: s, Host: host, Connect: s.pulls.Reach,
		Configured: c.Repositories, Anonymous: c.Username == "" && c.Token == "", Fix: fix, Close: transport.CloseIdle,
	}, nil
}

// fix says what to change where Quay is a case of its own.
func fix(step string, err error) string {
	switch {
	case errors.Is(err, errNoNamespace):
		return "put the namespace behind the host in `url`, for instance https://quay.io/acme"
	case errors.Is(err, errRobot):
		return "set `token` to an OAuth token with the scope repo:read, or name the repositories in `repositories`"
	case step == "authenticate" && errors.Is(err, sdk.ErrUnauthorized):
		return "check the robot's name (NAMESPACE+NAME) in `username` and its `password`"
	case step == "list" && (errors.Is(err, sdk.ErrUnauthorized) || errors.Is(err, sdk.ErrDenied)):
		return "check `token`: it has to be an OAuth token of an application, with the scope repo:read, and may have been revoked"
	default:
		return ""
	}
}
