package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"

	"google.golang.org/grpc"

	basev1 "github.com/muster-sec/muster/plugins/proto/base/v1"
	ingestv1 "github.com/muster-sec/muster/plugins/proto/ingest/v1"
	registryv1 "github.com/muster-sec/muster/plugins/proto/registry/v1"
	transportv1 "github.com/muster-sec/muster/plugins/proto/transport/v1"
)

// NewServer returns a gRPC server that serves p with the limits and the panic
// handling every plugin has. Serve uses it; tests serve it from memory.
func NewServer(p Plugin, log *slog.Logger, opts ...grpc.ServerOption) (*grpc.Server, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	server := grpc.NewServer(append(opts, serverOptions(log)...)...)
	register(server, p)
	return server, nil
}

func register(server grpc.ServiceRegistrar, p Plugin) {
	basev1.RegisterBaseServiceServer(server, &baseServer{plugin: p})
	if p.Registry != nil {
		registryv1.RegisterRegistryServiceServer(server, &registryServer{registry: p.Registry})
	}
	if p.Ingester != nil {
		ingestv1.RegisterIngestServiceServer(server, &ingestServer{ingester: p.Ingester})
	}
	if p.Streams != nil {
		transportv1.RegisterStreamServiceServer(server, &streamServer{streams: p.Streams, waiting: map[string]net.Conn{}})
	}
	if p.Objects != nil {
		transportv1.RegisterObjectServiceServer(server, &objectServer{objects: p.Objects})
	}
}

// serverOptions are the limits and interceptors of every plugin.
func serverOptions(log *slog.Logger) []grpc.ServerOption {
	guard := guard{log: log}
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.ChainUnaryInterceptor(guard.unary),
		grpc.ChainStreamInterceptor(guard.stream),
	}
}

// guard turns what handlers return, or panic with, into what the wire carries.
type guard struct {
	log *slog.Logger
}

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer g.catch(ctx, info.FullMethod, &err)
	resp, err = handler(ctx, req)
	return resp, toWire(err)
}

func (g guard) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer g.catch(stream.Context(), info.FullMethod, &err)
	return toWire(handler(srv, stream))
}

// catch makes a panic in an author's handler an error of that one call.
func (g guard) catch(ctx context.Context, method string, err *error) {
	if p := recover(); p != nil {
		g.log.ErrorContext(ctx, "panic in a plugin's handler", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = toWire(fmt.Errorf("the plugin panicked: %v", p))
	}
}
