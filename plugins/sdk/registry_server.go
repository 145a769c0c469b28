package sdk

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/muster-sec/muster/plugins/proto/registry/v1"
)

// registryServer serves an author's Registry.
type registryServer struct {
	registryv1.UnimplementedRegistryServiceServer
	registry Registry
}

func (s *registryServer) ListRepositories(req *registryv1.ListRepositoriesRequest, stream grpc.ServerStreamingServer[registryv1.ListRepositoriesResponse]) error {
	return sendPages(s.registry.Repositories(stream.Context(), req.GetConfig()), func(names []string) error {
		return stream.Send(&registryv1.ListRepositoriesResponse{Names: names})
	})
}

func (s *registryServer) ListTags(req *registryv1.ListTagsRequest, stream grpc.ServerStreamingServer[registryv1.ListTagsResponse]) error {
	return sendPages(s.registry.Tags(stream.Context(), req.GetConfig(), req.GetRepository()), func(tags []Tag) error {
		page := make([]*registryv1.Tag, 0, len(tags))
		for _, t := range tags {
			page = append(page, &registryv1.Tag{Name: t.Name, Digest: t.Digest, MediaType: t.MediaType})
		}
		return stream.Send(&registryv1.ListTagsResponse{Tags: page})
	})
}

func (s *registryServer) GetCredential(ctx context.Context, req *registryv1.GetCredentialRequest) (*registryv1.GetCredentialResponse, error) {
	c, err := s.registry.Credential(ctx, req.GetConfig(), req.GetRepository())
	if err != nil {
		return nil, err
	}
	out := &registryv1.GetCredentialResponse{Username: c.Username, Password: c.Password, Token: c.Token}
	if !c.Expires.IsZero() {
		out.Expires = timestamppb.New(c.Expires)
	}
	return out, nil
}

func (s *registryServer) Diagnose(ctx context.Context, req *registryv1.DiagnoseRequest) (*registryv1.DiagnoseResponse, error) {
	steps, err := s.registry.Diagnose(ctx, req.GetConfig())
	if err != nil {
		return nil, err
	}
	out := &registryv1.DiagnoseResponse{}
	for _, st := range steps {
		out.Steps = append(out.Steps, &registryv1.DiagnoseResponse_Step{Name: st.Name, Ok: st.OK, Detail: st.Detail, Fix: st.Fix})
	}
	return out, nil
}

func (s *registryServer) ResolveTag(ctx context.Context, req *registryv1.ResolveTagRequest) (*registryv1.ResolveTagResponse, error) {
	resolver, ok := s.registry.(TagResolver)
	if !ok {
		return nil, ErrUnsupported
	}
	m, err := resolver.ResolveTag(ctx, req.GetConfig(), req.GetRepository(), req.GetTag())
	if err != nil {
		return nil, err
	}
	return &registryv1.ResolveTagResponse{Digest: m.Digest, MediaType: m.MediaType}, nil
}

func (s *registryServer) DecodePush(ctx context.Context, req *registryv1.DecodePushRequest) (*registryv1.DecodePushResponse, error) {
	decoder, ok := s.registry.(PushDecoder)
	if !ok {
		return nil, ErrUnsupported
	}
	pushes, err := decoder.DecodePush(ctx, req.GetConfig(), PushEvent{Body: req.GetBody(), Headers: req.GetHeaders()})
	if err != nil {
		return nil, err
	}
	out := &registryv1.DecodePushResponse{}
	for _, p := range pushes {
		out.Pushes = append(out.Pushes, &registryv1.DecodePushResponse_Push{Repository: p.Repository, Tag: p.Tag, Digest: p.Digest})
	}
	return out, nil
}
