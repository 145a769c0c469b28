package ecr

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/muster-sec/muster/plugins/registry/internal/notification"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Name is the plugin's name, which is the type of the registries it serves.
const Name = "ecr"

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
func New() *Registry { return newRegistry(wire.System(), metadataService) }

func newRegistry(env wire.Env, metadata string) *Registry {
	return &Registry{sources.New(func(cfg sdk.Config, env wire.Env) (*sources.Opened, error) {
		return open(cfg, env, metadata)
	}, env)}
}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindRegistry, ConfigSchema: Schema, Registry: New()}
}

func open(cfg sdk.Config, env wire.Env, metadata string) (*sources.Opened, error) {
	c, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	transport := c.Transport(c.place, env)
	s := &source{config: c, env: env, api: &api{config: c, transport: transport, client: transport.Client(nil), env: env, keys: c.keys(env, metadata)}}
	return &sources.Opened{
		Source: s, Host: c.api.Host, Connect: s.connect,
		Configured: c.Repositories, Fix: fix, Close: transport.CloseIdle,
	}, nil
}

// connect finds out that the API is there: what is not signed, it refuses.
func (s *source) connect(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.config.api.String(), nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	resp, err := s.api.client.Send(req)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s answers", s.config.api.Host), resp.Body.Close()
}

// fix says what to change where ECR is a case of its own.
func fix(step string, err error) string {
	switch {
	case errors.Is(err, errNoRole):
		return "give the machine a role, or set the id and the secret of an access key as `username` and `password`"
	case errors.Is(err, errClock):
		return "set this machine's clock: it is minutes away from Amazon's"
	case errors.Is(err, sdk.ErrUnauthorized):
		return "check the access key in `username` and `password`, and `token` if the key is a temporary one, which expires"
	case errors.Is(err, sdk.ErrDenied):
		return "allow ecr:DescribeRepositories, ecr:ListImages, ecr:DescribeImages, ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer"
	case step == "resolve" || step == "connect":
		return "check account and region in `url`, and whether a proxy or a VPC endpoint (`api_url`) is needed"
	default:
		return ""
	}
}

// DecodePush reads an event that EventBridge hands on ("ECR Image Action").
func (*Registry) DecodePush(_ context.Context, cfg sdk.Config, event sdk.PushEvent) ([]sdk.Push, error) {
	c, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	if err := notification.Authorize(event, c.WebhookSecret); err != nil {
		return nil, err
	}
	return decodePush(event)
}

func decodePush(event sdk.PushEvent) ([]sdk.Push, error) {
	var call struct {
		DetailType string `json:"detail-type"`
		Detail     struct {
			Result     string `json:"result"`
			Action     string `json:"action-type"`
			Repository string `json:"repository-name"`
			Digest     string `json:"image-digest"`
			Tag        string `json:"image-tag"`
		} `json:"detail"`
	}
	if err := notification.Decode(event, &call); err != nil {
		return nil, err
	}
	switch {
	case call.DetailType == "":
		return nil, fmt.Errorf("%w: the notification is no event of EventBridge", sdk.ErrInvalid)
	case call.DetailType != "ECR Image Action" || call.Detail.Action != "PUSH" || call.Detail.Result != "SUCCESS":
		return nil, nil
	}
	var pushes notification.Pushes
	pushes.Add(sdk.Push{Repository: call.Detail.Repository, Tag: call.Detail.Tag, Digest: call.Detail.Digest})
	return pushes.List()
}
