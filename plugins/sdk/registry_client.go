package sdk

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	registryv1 "github.com/muster-sec/muster/plugins/proto/registry/v1"
)

// RegistryClient speaks to a registry plugin over a connection. It has every
// optional ability; where the plugin lacks one the answer is ErrUnsupported.
type RegistryClient struct {
	rpc registryv1.RegistryServiceClient
}

var (
	_ Registry    = (*RegistryClient)(nil)
	_ TagResolver = (*RegistryClient)(nil)
	_ PushDecoder = (*RegistryClient)(nil)
)

// NewRegistryClient returns a client over conn, which it does not close. It is
// safe for concurrent use.
func NewRegistryClient(conn grpc.ClientConnInterface) *RegistryClient {
	return &RegistryClient{rpc: registryv1.NewRegistryServiceClient(conn)}
}

// Repositories yields the names of all repositories the configuration covers.
func (c *RegistryClient) Repositories(ctx context.Context, cfg Config) iter.Seq2[string, error] {
	return receivePages(func() (func() ([]string, error), func(), error) {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := c.rpc.ListRepositories(ctx, &registryv1.ListRepositoriesRequest{Config: cfg})
		if err != nil {
			cancel()
			return nil, nil, err
		}
		return func() ([]string, error) {
			page, err := stream.Recv()
			return page.GetNames(), err
		}, cancel, nil
	})
}

// Tags yields the tags of one repository.
func (c *RegistryClient) Tags(ctx context.Context, cfg Config, repository string) iter.Seq2[Tag, error] {
	return receivePages(func() (func() ([]Tag, error), func(), error) {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := c.rpc.ListTags(ctx, &registryv1.ListTagsRequest{Config: cfg, Repository: repository})
		if err != nil {
			cancel()
			return nil, nil, err
		}
		return func() ([]Tag, error) {
			page, err := stream.Recv()
			tags := make([]Tag, 0, len(page.GetTags()))
			for _, t := range page.GetTags() {
				tags = append(tags, Tag{Name: t.GetName(), Digest: t.GetDigest(), MediaType: t.GetMediaType()})
			}
			return tags, err
		}, cancel, nil
	})
}

// Credential returns what a puller of the repository presents.
func (c *RegistryClient) Credential(ctx context.Context, cfg Config, repository string) (Credential, error) {
	r, err := c.rpc.GetCredential(ctx, &registryv1.GetCredentialRequest{Config: cfg, Repository: repository})
	if err != nil {
		return Credential{}, fromWire(err)
	}
	out := Credential{Username: r.GetUsername(), Password: r.GetPassword(), Token: r.GetToken()}
	if r.GetExpires() != nil {
		out.Expires = r.GetExpires().AsTime()
	}
	return out, nil
}

// Diagnose tries the configuration step by step.
func (c *RegistryClient) Diagnose(ctx context.Context, cfg Config) ([]Step, error) {
	r, err := c.rpc.Diagnose(ctx, &registryv1.DiagnoseRequest{Config: cfg})
	if err != nil {
		return nil, fromWire(err)
	}
	steps := make([]Step, 0, len(r.GetSteps()))
	for _, s := range r.GetSteps() {
		steps = append(steps, Step{Name: s.GetName(), OK: s.GetOk(), Detail: s.GetDetail(), Fix: s.GetFix()})
	}
	return steps, nil
}

// ResolveTag returns the manifest that a tag points at now.
func (c *RegistryClient) ResolveTag(ctx context.Context, cfg Config, repository, tag string) (Manifest, error) {
	r, err := c.rpc.ResolveTag(ctx, &registryv1.ResolveTagRequest{Config: cfg, Repository: repository, Tag: tag})
	if err != nil {
		return Manifest{}, fromWire(err)
	}
	return Manifest{Digest: r.GetDigest(), MediaType: r.GetMediaType()}, nil
}

// DecodePush returns what a webhook call says was pushed.
func (c *RegistryClient) DecodePush(ctx context.Context, cfg Config, event PushEvent) ([]Push, error) {
	r, err := c.rpc.DecodePush(ctx, &registryv1.DecodePushRequest{Config: cfg, Body: event.Body, Headers: event.Headers})
	if err != nil {
		return nil, fromWire(err)
	}
	pushes := make([]Push, 0, len(r.GetPushes()))
	for _, p := range r.GetPushes() {
		pushes = append(pushes, Push{Repository: p.GetRepository(), Tag: p.GetTag(), Digest: p.GetDigest()})
	}
	return pushes, nil
}
