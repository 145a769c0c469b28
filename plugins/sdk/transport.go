package sdk

import (
	"context"
	"io"
	"iter"
	"net"
)

// StreamTransport carries byte streams between a primary and its members. It
// authenticates nobody: the session that uses it runs its own TLS.
type StreamTransport interface {
	// Listen opens a listener. Closing it drops streams nobody accepted;
	// accepted ones live on. ctx covers the opening only.
	Listen(ctx context.Context, cfg Config, address string) (net.Listener, error)
	// Dial opens a byte stream. ctx covers the opening only.
	Dial(ctx context.Context, cfg Config, address string) (net.Conn, error)
}

// ObjectTransport carries named objects one way. Names are relative paths of
// letters, digits, '.', '-', '_' and '/'.
type ObjectTransport interface {
	// Publish stores an object whole or not at all; a name written again is
	// replaced.
	Publish(ctx context.Context, cfg Config, name string, object io.Reader) error
	// Fetch opens an object. The caller closes it.
	Fetch(ctx context.Context, cfg Config, name string) (io.ReadCloser, error)
	// List yields the names that begin with prefix, in order.
	List(ctx context.Context, cfg Config, prefix string) iter.Seq2[string, error]
}
