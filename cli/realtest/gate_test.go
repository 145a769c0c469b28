//go:build real

package realtest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate stands before a server and lets only so many bytes of its answers pass,
// so that a test decides how far something has come when it strikes.
type gate struct {
	Addr    string
	backend string

	mu     sync.Mutex
	more   *sync.Cond
	budget int64 // bytes that may still pass; below zero: any number
	free   int   // connections that are not held, the first ones
	held   bool  // something waits
}

// newGate opens a gate before backend. The first free connections pass, and of
// all others together budget bytes.
func newGate(t *testing.T, backend string, free int, budget int64) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Addr: l.Addr().String(), backend: backend, budget: budget, free: free}
	g.more = sync.NewCond(&g.mu)
	t.Cleanup(func() {
		_ = l.Close()
		g.open()
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go g.serve(client)
		}
	}()
	return g
}

func (g *gate) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.backend)
	if err != nil {
		return
	}
	defer server.Close()
	g.mu.Lock()
	held := g.free <= 0
	g.free--
	g.mu.Unlock()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	buf := make([]byte, 4<<10)
	for {
		n, err := server.Read(buf)
		if held {
			g.pay(int64(n))
		}
		if _, writeErr := client.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// pay waits until n bytes may pass.
func (g *gate) pay(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.budget >= 0 && g.budget < n {
		g.held = true
		g.more.Wait()
	}
	if g.budget >= 0 {
		g.budget -= n
	}
	g.held = false
}

// allow lets more bytes pass.
func (g *gate) allow(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.budget >= 0 {
		g.budget += n
	}
	g.more.Broadcast()
}

// open lets everything pass from now on.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.budget = -1
	g.more.Broadcast()
}

// waits reports whether something is being held.
func (g *gate) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}
