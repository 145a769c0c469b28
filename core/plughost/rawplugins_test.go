package plughost

import (
	"context"
	"os"
	"strings"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	basev1 "github.com/muster-sec/muster/plugins/proto/base/v1"
	ingestv1 "github.com/muster-sec/muster/plugins/proto/ingest/v1"
	registryv1 "github.com/muster-sec/muster/plugins/proto/registry/v1"
	"github.com/muster-sec/muster/plugins/sdk"
)

// rawPlugins are programs that speak the protocol without the SDK, and
// therefore without its manners.
func rawPlugins() map[string]func() {
	all := map[string]func(){
		"frugal": serveFrugal,
		"raw-registry": func() {
			serveRaw(about("raw-registry", basev1.Kind_KIND_REGISTRY), func(s *grpc.Server) {
				registryv1.RegisterRegistryServiceServer(s, rawRegistry{})
			})
		},
		"raw-ingest": func() {
			serveRaw(about("raw-ingest", basev1.Kind_KIND_INGEST), func(s *grpc.Server) {
				ingestv1.RegisterIngestServiceServer(s, rawIngest{})
			})
		},
		"moody": func() {
			serveRaw(about("moody", basev1.Kind_KIND_REGISTRY), func(s *grpc.Server) {
				registryv1.RegisterRegistryServiceServer(s, rawRegistry{})
			})
		},
		"shouting": func() { // instead of a handshake
			for {
				_, _ = os.Stdout.WriteString(strings.Repeat("x", 1<<16))
			}
		},
	}
	for name, lie := range lies() {
		all[name] = func() {
			d := about(name, basev1.Kind_KIND_REGISTRY)
			lie.tell(d)
			serveRaw(d, func(*grpc.Server) {})
		}
	}
	return all
}

func about(name string, kind basev1.Kind) *basev1.DescribeResponse {
	return &basev1.DescribeResponse{Name: name, Version: "1", Kind: kind}
}

// lies are what a plugin may say of itself and no host may believe.
func lies() map[string]struct {
	tell func(*basev1.DescribeResponse)
	want string // in the error
} {
	type lie = struct {
		tell func(*basev1.DescribeResponse)
		want string
	}
	return map[string]lie{
		"lie-name":       {func(d *basev1.DescribeResponse) { d.Name = "../../etc" }, "calls itself"},
		"lie-other-name": {func(d *basev1.DescribeResponse) { d.Name = "oci" }, "calls itself oci"},
		"lie-no-kind":    {func(d *basev1.DescribeResponse) { d.Kind = 0 }, "of which kind"},
		"lie-new-kind":   {func(d *basev1.DescribeResponse) { d.Kind = 77 }, "of which kind"},
		"lie-kind":       {func(d *basev1.DescribeResponse) { d.Kind = basev1.Kind_KIND_TRANSPORT }, "it says that it is a transport plugin"},
		"lie-version":    {func(d *basev1.DescribeResponse) { d.Version = strings.Repeat("1.", 1<<19) }, "the plugin's version is"},
		"lie-schema":     {func(d *basev1.DescribeResponse) { d.ConfigSchema = "{" }, "schema is not JSON"},
		"lie-reference":  {func(d *basev1.DescribeResponse) { d.ConfigSchema = `{"type":"object","$ref":"file:///etc/passwd"}` }, "$ref"},
		"lie-size":       {func(d *basev1.DescribeResponse) { d.ConfigSchema = strings.Repeat(" ", 10<<20) }, "too large"},
		"lie-much-more":  {func(d *basev1.DescribeResponse) { d.ConfigSchema = strings.Repeat(" ", 50<<20) }, "larger than max"},
		"lie-abilities":  {func(d *basev1.DescribeResponse) { d.Capabilities = make([]string, 100_000) }, "too large"},
	}
}

func serveRaw(d *basev1.DescribeResponse, register func(*grpc.Server)) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: sdk.CookieKey, MagicCookieValue: sdk.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{sdk.ProtocolVersion: {"x": rawPlugin{d: d, register: register}}},
		GRPCServer:       func(opts []grpc.ServerOption) *grpc.Server { return grpc.NewServer(opts...) },
	})
}

type rawPlugin struct {
	nopPlugin
	d        *basev1.DescribeResponse
	register func(*grpc.Server)
}

func (r rawPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	basev1.RegisterBaseServiceServer(server, rawBase{d: r.d})
	r.register(server)
	return nil
}

func (rawPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, sdk.ErrUnsupported
}

type rawBase struct {
	basev1.UnimplementedBaseServiceServer
	d *basev1.DescribeResponse
}

func (r rawBase) Describe(context.Context, *basev1.DescribeRequest) (*basev1.DescribeResponse, error) {
	return r.d, nil
}

// Health tells what is in the file that MOOD names; "none" is no answer at all.
func (rawBase) Health(ctx context.Context, _ *basev1.HealthRequest) (*basev1.HealthResponse, error) {
	mood, _ := os.ReadFile(os.Getenv("MOOD"))
	if string(mood) == "none" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &basev1.HealthResponse{Problem: string(mood)}, nil
}

// rawRegistry never ends a listing and sends messages of any size.
type rawRegistry struct {
	registryv1.UnimplementedRegistryServiceServer
}

func (rawRegistry) ListRepositories(_ *registryv1.ListRepositoriesRequest, stream grpc.ServerStreamingServer[registryv1.ListRepositoriesResponse]) error {
	page := &registryv1.ListRepositoriesResponse{Names: strings.Split(strings.Repeat("x ", 4000), " ")}
	for {
		if err := stream.Send(page); err != nil {
			return err
		}
	}
}

func (rawRegistry) ListTags(_ *registryv1.ListTagsRequest, stream grpc.ServerStreamingServer[registryv1.ListTagsResponse]) error {
	for { // pages without anything in them
		if err := stream.Send(&registryv1.ListTagsResponse{}); err != nil {
			return err
		}
	}
}

func (rawRegistry) GetCredential(context.Context, *registryv1.GetCredentialRequest) (*registryv1.GetCredentialResponse, error) {
	return &registryv1.GetCredentialResponse{Username: strings.Repeat("x", 50<<20)}, nil
}

// rawIngest answers a document with findings that are as large as they can be,
// for ever.
type rawIngest struct {
	ingestv1.UnimplementedIngestServiceServer
}

func (rawIngest) Parse(stream grpc.BidiStreamingServer[ingestv1.ParseRequest, ingestv1.ParseResponse]) error {
	findings := &ingestv1.Findings{Findings: []*ingestv1.Finding{{Description: strings.Repeat("x", 8<<20)}}}
	for {
		if err := stream.Send(&ingestv1.ParseResponse{Part: &ingestv1.ParseResponse_Findings{Findings: findings}}); err != nil {
			return err
		}
	}
}
