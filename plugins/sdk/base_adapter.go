package sdk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"

	basev1 "github.com/muster-sec/muster/plugins/proto/base/v1"
)

// baseServer answers for the plugin as a whole.
type baseServer struct {
	basev1.UnimplementedBaseServiceServer
	plugin Plugin
}

func (s *baseServer) Describe(context.Context, *basev1.DescribeRequest) (*basev1.DescribeResponse, error) {
	d := s.plugin.Describe()
	return &basev1.DescribeResponse{
		Name: d.Name, Version: d.Version, Kind: kindToProto(d.Kind),
		ConfigSchema: d.ConfigSchema, Capabilities: d.Capabilities,
	}, nil
}

func (s *baseServer) Health(ctx context.Context, _ *basev1.HealthRequest) (*basev1.HealthResponse, error) {
	if s.plugin.Health == nil {
		return &basev1.HealthResponse{}, nil
	}
	if err := s.plugin.Health(ctx); err != nil {
		return &basev1.HealthResponse{Problem: oneLine(err.Error())}, nil
	}
	return &basev1.HealthResponse{}, nil
}

// Describe asks a plugin what it is. The answer is checked: a plugin that
// names itself or its kind in a way no plugin may is an error that is ErrInvalid.
func Describe(ctx context.Context, conn grpc.ClientConnInterface) (Description, error) {
	r, err := basev1.NewBaseServiceClient(conn).Describe(ctx, &basev1.DescribeRequest{})
	if err != nil {
		return Description{}, fromWire(err)
	}
	d := Description{
		Name: r.GetName(), Version: r.GetVersion(), Kind: kindFromProto(r.GetKind()),
		ConfigSchema: r.GetConfigSchema(), Capabilities: slices.Clone(r.GetCapabilities()),
	}
	switch {
	case !ValidName(d.Name):
		return d, fmt.Errorf("%w: the plugin calls itself %.80q", ErrInvalid, d.Name)
	case d.Kind == "":
		return d, fmt.Errorf("%w: the plugin does not say of which kind it is", ErrInvalid)
	case d.Version == "" || len(d.Version) > 128:
		return d, fmt.Errorf("%w: the plugin's version is %.80q", ErrInvalid, d.Version)
	case len(d.ConfigSchema) > MaxConfig || len(d.Capabilities) > maxPage:
		return d, fmt.Errorf("%w: the plugin's description is too large", ErrLimit)
	}
	return d, nil
}

// Health asks a plugin whether it works. The caller sets the deadline. A
// problem that the plugin reports itself is ErrUnhealthy.
func Health(ctx context.Context, conn grpc.ClientConnInterface) error {
	r, err := basev1.NewBaseServiceClient(conn).Health(ctx, &basev1.HealthRequest{})
	switch {
	case err != nil:
		return fromWire(err)
	case r.GetProblem() != "":
		return fmt.Errorf("%w: %s", ErrUnhealthy, oneLine(r.GetProblem()))
	default:
		return nil
	}
}

// oneLine makes a text fit into a status display.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) > 512 {
		s = strings.ToValidUTF8(s[:512], "") + "…"
	}
	return s
}

func kindToProto(k Kind) basev1.Kind {
	switch k {
	case KindRegistry:
		return basev1.Kind_KIND_REGISTRY
	case KindIngest:
		return basev1.Kind_KIND_INGEST
	case KindTransport:
		return basev1.Kind_KIND_TRANSPORT
	default:
		return basev1.Kind_KIND_UNSPECIFIED
	}
}

func kindFromProto(k basev1.Kind) Kind {
	switch k {
	case basev1.Kind_KIND_REGISTRY:
		return KindRegistry
	case basev1.Kind_KIND_INGEST:
		return KindIngest
	case basev1.Kind_KIND_TRANSPORT:
		return KindTransport
	default:
		return ""
	}
}
