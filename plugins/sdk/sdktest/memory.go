// Package sdktest holds plugins against the promises of their contract. Connect
// serves a plugin in memory; Check runs the conformance suite over any
// connection, be it to memory or to a finished binary, and reports in words
// what to fix. It needs no testing.T, so a command can run it too.
package sdktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Connect serves p in this process and returns a connection to it, as a host
// would have one. The caller closes it, which stops the server too.
func Connect(p sdk.Plugin) (*Conn, error) {
	server, err := sdk.NewServer(p, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	listener := bufconn.Listen(sdk.MaxChunk)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(sdk.MaxMessage), grpc.MaxCallSendMsgSize(sdk.MaxMessage)),
	)
	if err != nil {
		server.Stop()
		return nil, fmt.Errorf("sdktest: connecting in memory: %w", err)
	}
	return &Conn{ClientConn: conn, server: server, served: served}, nil
}

// Conn is a connection to a plugin served in memory.
type Conn struct {
	*grpc.ClientConn
	server *grpc.Server
	served chan error
}

// Close ends the connection and the server and waits for it.
func (c *Conn) Close() error {
	err := c.ClientConn.Close()
	c.server.Stop()
	return errors.Join(err, <-c.served)
}
