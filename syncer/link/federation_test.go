package link_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/wire"
)

const fedID = "fed-1"

func priority() syncer.Priority {
	return syncer.Priority{"rule": 0, "verdict": 0, "list": 1, "detail": 2}
}

// options are those of production with intervals that suit a test.
func options() link.Options {
	return link.Options{Interval: 100 * time.Millisecond, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond}
}

// federation is a primary on a loopback port with what core would keep beside it.
type federation struct {
	store  *memstore.Primary
	ca     *session.CA
	key    ed25519.PrivateKey
	ring   *syncer.Ring
	hub    *link.Hub
	server *session.Server
	addr   string
	opts   link.Options

	mu        sync.Mutex
	standing  map[string]link.Standing
	revoked   map[string]bool
	summaries map[string]string
	orphans   []syncer.Record
	left      []string
	renewals  int
	now       func() time.Time
}

// start runs a primary until the test ends.
func start(tb testing.TB, store *memstore.Primary, opts link.Options) *federation {
	tb.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	check(tb, err)
	ca, err := session.NewCA(fedID, time.Now().Add(-30*24*time.Hour))
	check(tb, err)
	ring, err := syncer.NewRing(fedID, public)
	check(tb, err)
	f := &federation{
		store: store, ca: ca, key: key, ring: ring, opts: opts, now: time.Now,
		standing: map[string]link.Standing{}, revoked: map[string]bool{}, summaries: map[string]string{},
	}
	f.serve(tb, "127.0.0.1:0")
	return f
}

// serve runs the primary's side; the returned function stops it.
func (f *federation) serve(tb testing.TB, addr string) (stop func()) {
	tb.Helper()
	own, err := f.ca.IssuePrimary(f.now())
	check(tb, err)
	log := slog.New(slog.DiscardHandler)
	f.hub, err = link.NewHub(link.HubConfig{
		Federation: fedID, Store: f.store, Key: f.key, Keys: f.ring, Members: f,
		Options: f.opts, Now: f.clock, Log: log,
	})
	check(tb, err)
	f.server, err = session.NewServer(session.ServerConfig{
		CA: f.ca, Trust: f.ca.Trust, Credential: func() (session.Credential, error) { return own, nil },
		Enroller: f, Admit: f.hub.Admit, Handle: f.hub.Handle, Now: f.clock, Log: log,
	})
	check(tb, err)
	listener, err := net.Listen("tcp", addr)
	check(tb, err)
	f.addr = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	hub, server := f.hub, f.server
	var running sync.WaitGroup
	running.Go(func() { _ = hub.Run(ctx) })
	running.Go(func() { _ = server.Serve(ctx, listener) })
	stop = func() {
		cancel()
		running.Wait()
	}
	tb.Cleanup(stop)
	return stop
}

func (f *federation) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now()
}

func (f *federation) setClock(now func() time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = now
}

func (f *federation) write(tb testing.TB, records ...syncer.Record) {
	tb.Helper()
	_, err := f.store.Write(context.Background(), records...)
	check(tb, err)
	f.hub.Wake()
}

func (f *federation) Standing(_ context.Context, p session.Peer) (link.Standing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.standing[p.ID]; ok {
		return s, nil
	}
	return link.Standing{Entitled: syncer.Entitlement{All: true}}, nil
}

func (f *federation) Revoked(p session.Peer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.revoked[p.ID]
}

func (f *federation) Summary(_ context.Context, member string, body []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.summaries[member] = string(body)
	return nil
}

func (f *federation) Orphans(_ context.Context, _ string, records []syncer.Record) (settled []syncer.Orphan, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range records {
		settled = append(settled, r.Orphan())
	}
	f.orphans = append(f.orphans, records...)
	return settled, nil
}

func (f *federation) Left(_ context.Context, member string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = append(f.left, member)
	return nil
}

func (f *federation) TokenKey(context.Context, string, session.Pin) (ed25519.PublicKey, error) {
	return nil, &session.Refusal{Code: session.CodeTokenUnknown, Reason: "no tokens here"}
}

func (f *federation) Enrol(context.Context, session.Application) (session.Grant, error) {
	return session.Grant{}, &session.Refusal{Code: session.CodeTokenUnknown, Reason: "no tokens here"}
}

func (f *federation) Renew(_ context.Context, p session.Peer, request *x509.CertificateRequest) ([][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewals++
	return f.ca.IssueMember(p.ID, request, f.now())
}

// cluster is one member with what core would keep beside it.
type cluster struct {
	id    string
	store *memstore.Member
	agent *link.Agent
	done  chan error
	stop  func()

	mu         sync.Mutex
	credential session.Credential
	notices    []wire.Notice
}

// credential enrols by hand.
func (f *federation) credential(tb testing.TB, id string, issued time.Time) session.Credential {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(tb, err)
	der, err := session.NewRequest(key)
	check(tb, err)
	request, err := x509.ParseCertificateRequest(der)
	check(tb, err)
	chain, err := f.ca.IssueMember(id, request, issued)
	check(tb, err)
	return session.Credential{Chain: chain, Key: key}
}

// join runs a member until the test ends.
func (f *federation) join(tb testing.TB, id string, change ...func(*link.AgentConfig)) *cluster {
	tb.Helper()
	c := &cluster{id: id, store: memstore.NewMember(), credential: f.credential(tb, id, f.clock())}
	c.run(tb, f, change...)
	return c
}

func (c *cluster) run(tb testing.TB, f *federation, change ...func(*link.AgentConfig)) {
	tb.Helper()
	cfg := link.AgentConfig{
		Federation: fedID, Member: c.id, Store: c.store, ContentKey: f.key.Public().(ed25519.PublicKey),
		Trust: f.ca.Trust, Dialer: dialer{f}, Host: c, Options: f.opts,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	for _, ch := range change {
		ch(&cfg)
	}
	agent, err := link.NewAgent(cfg)
	check(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx) }()
	stopped := sync.OnceFunc(func() {
		cancel()
		err := <-done
		done <- err
	})
	c.agent, c.done, c.stop = agent, done, stopped
	tb.Cleanup(stopped)
}

// address is where members dial; move changes it.
func (f *federation) address() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addr
}

func (f *federation) move(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addr = addr
}

type dialer struct{ f *federation }

func (d dialer) Dial(ctx context.Context) (net.Conn, error) {
	var nd net.Dialer
	return nd.DialContext(ctx, "tcp", d.f.address())
}

func (c *cluster) Credential(context.Context) (session.Credential, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credential, nil
}

func (c *cluster) Renewed(_ context.Context, credential session.Credential) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credential = credential
	return nil
}

func (c *cluster) Removed(_ context.Context, n wire.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notices = append(c.notices, n)
	return nil
}

func (c *cluster) Summary(context.Context) ([]byte, error) { return []byte("summary of " + c.id), nil }

func (c *cluster) Tunnel(_ context.Context, stream net.Conn) {
	defer stream.Close()
	buf := make([]byte, 5)
	if n, err := stream.Read(buf); err == nil {
		_, _ = stream.Write(append([]byte(c.id+" heard "), buf[:n]...))
	}
}

// wait polls until ok holds; it fails the test when that takes unreasonably long.
func wait(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline.C:
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

// equal reports whether a copy holds what the feed holds in every stream.
func (f *federation) equal(c *cluster) bool {
	_, heads, err := f.store.Heads(context.Background())
	if err != nil {
		return false
	}
	for _, h := range heads {
		root, err := c.store.Root(h.Stream)
		if err != nil || root != h.Root {
			return false
		}
	}
	return true
}

func (c *cluster) holds(kind, key string) bool {
	_, ok := c.store.Record(priority().Stream("all", kind), kind, key)
	return ok
}

func record(kind string, i int, payload string) syncer.Record {
	return syncer.NewRecord("all", kind, fmt.Sprintf("%s-%05d", kind, i), []byte(payload))
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
