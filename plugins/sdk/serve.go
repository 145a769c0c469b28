package sdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// What host and plugin agree on before the first call.
const (
	// ProtocolVersion counts incompatible changes of the contracts. Additions
	// are announced by capability strings instead.
	ProtocolVersion = 1
	// CookieKey and CookieValue tell a plugin that a host started it. They are
	// no secret: they keep people from running plugins by hand.
	CookieKey = "MUSTER_PLUGIN"
	// CookieValue is the value of the variable named CookieKey.
	CookieValue = "b3f0d5a1c1f2481c8f6d2f7d8a5e9c40"
)

// Serve serves a plugin to the host that started the process. It returns when
// the host is done with it and never if the host died. It exits with status 1,
// and says why on stderr, when p is not valid or when no host started it.
//
// Serve makes the default logger of log/slog write JSON lines to stderr, which
// the host takes over into its own log. Plugins use that logger, and leave
// stdout alone.
func Serve(p Plugin) {
	// Before the library swaps os.Stderr for a pipe of its own.
	log := NewLogger(os.Stderr)
	slog.SetDefault(log)
	if err := p.Validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go exitWithParent(ctx, os.Getppid(), os.Exit)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: CookieKey, MagicCookieValue: CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{ProtocolVersion: {"muster": &served{plugin: p}}},
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, serverOptions(log)...)...)
		},
	})
}

// NewLogger returns a logger that writes the JSON lines a host understands.
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// served hands a plugin's services to go-plugin.
type served struct {
	plugin.NetRPCUnsupportedPlugin
	plugin Plugin
}

var _ plugin.GRPCPlugin = (*served)(nil)

// GRPCServer registers the services. The broker stays unused: plugins ask
// nothing of the host.
func (s *served) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	register(server, s.plugin)
	return nil
}

// GRPCClient is the host's half, which hosts of ours do not take from here.
func (s *served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, ErrUnsupported
}

// exitWithParent ends the process soon after its parent has died, on systems
// and in cases where the kernel does not do so by itself.
func exitWithParent(ctx context.Context, parent int, exit func(int)) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != parent {
				exit(1)
				return
			}
		}
	}
}
