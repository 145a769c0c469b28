package session

import (
	"net"
	"sync"
)

// Handover is a [net.Listener] whose connections are given to it by the program
// itself. It is safe for concurrent use.
type Handover struct {
	name  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewHandover returns an open listener; name is what [Handover.Addr] says.
func NewHandover(name string) *Handover {
	return &Handover{name: name, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Give hands conn to whoever accepts next and waits for that. After Close it
// closes conn instead.
func (h *Handover) Give(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.done:
		conn.Close()
	}
}

// Accept returns the next connection, or [net.ErrClosed] after Close.
func (h *Handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Give.
func (h *Handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr returns a name, not an address: the port belongs to somebody else.
func (h *Handover) Addr() net.Addr { return handoverAddr(h.name) }

type handoverAddr string

func (handoverAddr) Network() string  { return "muster" }
func (a handoverAddr) String() string { return string(a) }
