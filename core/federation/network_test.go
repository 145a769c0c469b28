package federation_test

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// network is a transport over loopback whose names lead wherever the last
// listener of that name is.
type network struct {
	mu    sync.Mutex
	where map[string]string
	down  bool
	conns []net.Conn
	// mangle, when set, may wrap a connection that is dialled.
	mangle func(net.Conn) net.Conn
}

func newNetwork() *network { return &network{where: map[string]string{}} }

func (n *network) Listen(ctx context.Context, addr string) (net.Listener, error) {
	var cfg net.ListenConfig
	ln, err := cfg.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.where[addr] = ln.Addr().String()
	return ln, nil
}

func (n *network) Dial(ctx context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	to, down, mangle := n.where[addr], n.down, n.mangle
	n.mu.Unlock()
	if to == "" || down {
		return nil, fmt.Errorf("no route to %s", addr)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	if mangle != nil {
		c = mangle(c)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, c)
	return c, nil
}

// cut ends every connection and lets no new one through until healed.
func (n *network) cut(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}

func (n *network) set(mangle func(net.Conn) net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mangle = mangle
}
