package sdk

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// closeLinger is how long a closed stream may take to deliver what was written
// before it is torn down.
const closeLinger = 10 * time.Second

// frames is one byte stream as a gRPC call sees it. An empty frame says that
// its direction has ended; the end of the call says that both have.
type frames struct {
	send   func([]byte) error
	recv   func() ([]byte, error)
	finish func() error // ends our half of the call, after everything was sent
	cancel func()       // tears the call down
}

// streamConn is the host's net.Conn over one call. Two pipes in memory, one for
// each direction, give it deadlines; two goroutines move bytes between them and
// the call, and end with it.
type streamConn struct {
	in, out       net.Conn // Read reads in, Write writes out
	local, remote streamAddr
	cancel        func()
	closing       chan struct{} // closed by Close, or by the end of the call
	once          sync.Once

	mu     sync.Mutex
	closed bool
	broken error // why the call ended early
}

var _ net.Conn = (*streamConn)(nil)

func newStreamConn(f frames, local, remote string) *streamConn {
	inR, inW := net.Pipe()
	outR, outW := net.Pipe()
	c := &streamConn{
		in: inR, out: outW, local: streamAddr(local), remote: streamAddr(remote),
		cancel: f.cancel, closing: make(chan struct{}),
	}
	go c.pumpOut(f, outR)
	go c.pumpIn(f, inW)
	return c
}

// pumpOut sends what is written until CloseWrite or Close, and says which of
// the two it was.
func (c *streamConn) pumpOut(f frames, from net.Conn) {
	defer from.Close()
	buf := make([]byte, MaxChunk)
	for {
		n, err := from.Read(buf)
		if err != nil {
			break
		}
		if err := f.send(bytes.Clone(buf[:n])); err != nil {
			return // pumpIn learns the reason
		}
	}
	select {
	case <-c.closing:
	default:
		if err := f.send(nil); err != nil {
			return
		}
		<-c.closing
	}
	if err := f.finish(); err != nil {
		f.cancel()
	}
}

// pumpIn delivers what arrives. After Close it only waits for the other side to
// finish, so that what was written still gets there.
func (c *streamConn) pumpIn(f frames, to net.Conn) {
	defer f.cancel()
	defer c.shut()
	defer to.Close()
	for {
		data, err := f.recv()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			c.fail(fromWire(err))
			return
		case len(data) == 0:
			to.Close()
		default:
			// Fails after Close only; then what arrives is dropped.
			_, _ = to.Write(data)
		}
	}
}

// Read reads what arrived. It returns io.EOF when the other side ended its
// direction, and the cause when the stream broke.
func (c *streamConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	return n, c.explain(err)
}

// Write blocks while the other side takes nothing.
func (c *streamConn) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	return n, c.explain(err)
}

// CloseWrite ends our direction; the other one stays open.
func (c *streamConn) CloseWrite() error { return c.out.Close() }

// Close ends both directions. What was written is still delivered.
func (c *streamConn) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		return net.ErrClosed
	}
	time.AfterFunc(closeLinger, c.cancel)
	c.shut()
	return c.in.Close()
}

// shut releases the sending pump and everybody who writes. Readers still find
// the end of what arrived.
func (c *streamConn) shut() {
	c.once.Do(func() { close(c.closing) })
	c.out.Close()
}

func (c *streamConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
}

// explain replaces the pipe's own errors by what they mean here.
func (c *streamConn) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.broken != nil:
		return c.broken
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return net.ErrClosed
	}
}

// LocalAddr returns the address at the plugin's end.
func (c *streamConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the far side.
func (c *streamConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *streamConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds Read.
func (c *streamConn) SetReadDeadline(t time.Time) error { return c.in.SetReadDeadline(t) }

// SetWriteDeadline bounds Write.
func (c *streamConn) SetWriteDeadline(t time.Time) error { return c.out.SetWriteDeadline(t) }

// streamAddr is an address as a plugin tells it.
type streamAddr string

// Network returns "plugin": the bytes go through one.
func (streamAddr) Network() string { return "plugin" }

// String returns the address as the plugin tells it.
func (a streamAddr) String() string { return string(a) }
