package federation

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
	"github.com/muster-sec/muster/syncer/session"
)

// primary is the fed port with everything behind it.
type primary struct {
	s         *Service
	registrar *registrar
	hub       *link.Hub
	server    *session.Server
	listener  net.Listener // nil unless open already

	mu  sync.Mutex
	own session.Credential // made anew at two thirds of its life, and when the clock went back before it
}

// authority loads what makes this cluster a primary.
func (s *Service) authority(ctx context.Context, federation string) (*session.CA, ed25519.PrivateKey, error) {
	var a authority
	if err := s.vault.load(ctx, secretAuthority, &a); err != nil {
		return nil, nil, err
	}
	ca, err := session.LoadCA(federation, a.CACert, a.CAKey)
	if err != nil {
		return nil, nil, err
	}
	if len(a.ContentKey) != ed25519.PrivateKeySize {
		return nil, nil, fault.New(fault.Internal, "federation: the stored content key has %d bytes", len(a.ContentKey))
	}
	return ca, a.ContentKey, nil
}

func (s *Service) newPrimaryPart(ctx context.Context, m model.Membership) (*part, error) {
	ca, content, err := s.authority(ctx, m.FederationID)
	if err != nil {
		return nil, err
	}
	public := content.Public().(ed25519.PublicKey)
	p := &primary{s: s, registrar: &registrar{
		store: s.o.Store, ca: ca, content: public, self: m, audit: s.audit, now: s.o.Now, log: s.o.Log,
	}}
	if err := p.registrar.load(ctx); err != nil {
		return nil, err
	}
	ring, err := syncer.NewRing(m.FederationID, public)
	if err != nil {
		return nil, err
	}
	p.hub, err = link.NewHub(link.HubConfig{
		Federation: m.FederationID, Store: s.o.Store.Feed, Key: content, Keys: ring,
		Members: p.registrar, Options: s.linkOptions(), Now: s.o.Now, Log: s.o.Log,
	})
	if err != nil {
		return nil, err
	}
	p.server, err = session.NewServer(session.ServerConfig{
		CA: ca, Trust: ca.Trust, Credential: p.credential, Enroller: p.registrar,
		Admit: p.hub.Admit, Handle: p.hub.Handle, Now: s.o.Now, Log: s.o.Log,
	})
	if err != nil {
		return nil, err
	}
	p.listener, s.listener = s.listener, nil
	return &part{primary: p, run: p.run}, nil
}

func (s *Service) linkOptions() link.Options {
	o := s.o.Link
	o.Product = s.o.Version
	return o
}

// credential is the primary's own certificate, made here and never stored.
func (p *primary) credential() (session.Credential, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.s.o.Now()
	if len(p.own.Chain) > 0 {
		from, to, err := p.own.Validity()
		if err == nil && !now.Before(from) && now.Before(to.Add(-session.Lifetime/3)) {
			return p.own, nil
		}
	}
	own, err := p.registrar.ca.IssuePrimary(now)
	if err != nil {
		return session.Credential{}, err
	}
	p.own = own
	return own, nil
}

// Timeouts of HTTP on the fed port: all it gets is a 404.
const (
	httpTimeout   = 10 * time.Second
	httpMaxHeader = 16 << 10
)

func (p *primary) run(ctx context.Context) error {
	listener := p.listener
	if listener == nil {
		var err error
		if listener, err = p.s.o.Transport.Listen(ctx, p.s.o.Listen); err != nil {
			return fmt.Errorf("federation: open the fed port %s: %w", p.s.o.Listen, err)
		}
	}
	p.s.o.Log.Info("fed port is open", "address", listener.Addr().String(), "federation", p.registrar.self.FederationID)
	web := &http.Server{
		Handler: p.s.o.Fallback, ReadTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: httpTimeout,
		MaxHeaderBytes: httpMaxHeader, ErrorLog: slog.NewLogLogger(p.s.o.Log.Handler(), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.server.Serve(ctx, listener) })
	group.Go(func() error { return p.hub.Run(ctx) })
	group.Go(func() error {
		_ = web.Serve(p.server.HTTP()) // ends with the listener, which ends with ctx
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return web.Close()
	})
	group.Go(func() error { return p.follow(ctx) })
	return group.Wait()
}

// follow wakes the hub when the feed has moved, forgets old deletions, and keeps
// when each member was last seen.
func (p *primary) follow(ctx context.Context) error {
	collect := time.NewTicker(p.s.o.Timing.Collect)
	defer collect.Stop()
	seen := time.NewTicker(p.s.o.Timing.Seen)
	defer seen.Stop()
	for {
		select {
		case <-ctx.Done():
			p.keepSeen(context.WithoutCancel(ctx))
			return nil
		case <-p.s.o.Store.Changes.FeedChanged():
			p.hub.Wake()
		case <-collect.C:
			if err := p.s.o.Store.Changes.CollectTombstones(ctx, p.s.o.Now().Add(-p.s.o.Timing.Tombstone)); err != nil && ctx.Err() == nil {
				p.s.o.Log.Error("old deletions were not collected", "error", err)
			}
		case <-seen.C:
			p.keepSeen(ctx)
			p.expel()
		}
	}
}

// keepSeen keeps what the hub knows of connected members for when they are away.
func (p *primary) keepSeen(ctx context.Context) {
	for _, st := range p.hub.Status() {
		err := p.s.o.Store.Members.SaveClusterSeen(ctx, seenCluster(st))
		if err != nil && !isFault(err, fault.NotFound) && ctx.Err() == nil {
			p.s.o.Log.Error("state of a member was not kept", "member", st.Peer.ID, "error", err)
		}
	}
}

// expel dismisses members that were removed while their session began.
func (p *primary) expel() {
	for _, st := range p.hub.Status() {
		if reason, ok := p.registrar.wasRemoved(st.Peer); ok {
			_ = p.hub.Remove(st.Peer.ID, link.NoticeRemoved, reason) // gone already is as good
		}
	}
}

// dismissAll tells every connected member that the federation is over and waits,
// within the time that notices get, until they have hung up.
func (p *primary) dismissAll(ctx context.Context, reason string) {
	for _, st := range p.hub.Status() {
		_ = p.hub.Remove(st.Peer.ID, link.NoticeDemoted, reason) // gone already is as good
	}
	ctx, cancel := context.WithTimeout(ctx, p.s.o.Timing.Notify)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for len(p.hub.Status()) > 0 {
		select {
		case <-poll.C:
		case <-ctx.Done():
			p.s.o.Log.Warn("not every member could be told that the federation is over", "members", len(p.hub.Status()))
			return
		}
	}
}
