package federation

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/wire"
)

// managed is the member's end of the federation: what the agent asks of us.
type managed struct {
	s    *Service
	self model.Membership

	mu  sync.Mutex
	own credential
}

var (
	_ link.Host   = (*managed)(nil)
	_ link.Dialer = (*managed)(nil)
)

func (s *Service) newManagedPart(ctx context.Context, m model.Membership) (*part, error) {
	c := &managed{s: s, self: m}
	if err := s.vault.load(ctx, secretCredential, &c.own); err != nil {
		return nil, err
	}
	trust := session.Trust{Federation: m.FederationID, Pins: c.own.CAPins}
	agent, err := link.NewAgent(link.AgentConfig{
		Federation: m.FederationID, Member: m.ClusterID, Store: observed{s.o.Store.Replica, s.o.Applied},
		ContentKey: c.own.ContentKey, Trust: func() session.Trust { return trust },
		Dialer: c, Host: c, Options: s.linkOptions(), Now: s.o.Now, Log: s.o.Log,
	})
	if err != nil {
		return nil, err
	}
	return &part{agent: agent, run: func(ctx context.Context) error {
		if err := s.o.Store.Replica.Reproject(ctx); err != nil {
			return err
		}
		s.applied(nil)
		return agent.Run(ctx)
	}}, nil
}

// Dial implements [link.Dialer].
func (c *managed) Dial(ctx context.Context) (net.Conn, error) {
	return c.s.o.Transport.Dial(ctx, c.self.PrimaryAddress)
}

// Credential implements [link.Host].
func (c *managed) Credential(context.Context) (session.Credential, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return session.Credential{Chain: c.own.Chain, Key: c.own.Key}, nil
}

// Renewed implements [link.Host].
func (c *managed) Renewed(ctx context.Context, fresh session.Credential) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.own
	next.Chain, next.Key = fresh.Chain, fresh.Key
	if err := c.s.vault.keep(ctx, secretCredential, next); err != nil {
		return err
	}
	c.own = next
	return nil
}

// Removed implements [link.Host]: this cluster becomes standalone at once,
// whoever ended the membership.
func (c *managed) Removed(ctx context.Context, notice wire.Notice) (err error) {
	who := model.Actor{Name: c.self.PrimaryName + " (primary cluster)", Source: model.AccountSystem}
	defer func() { c.s.audit(ctx, who, "federation."+notice.Code, c.self.FederationID, err) }()
	if err := c.s.o.Store.Memberships.LeaveFederation(ctx); err != nil {
		return err
	}
	c.s.o.Log.Warn("this cluster is standalone again", "code", notice.Code, "reason", notice.Reason)
	c.s.applied(nil)
	return nil
}

// Summary implements [link.Host].
func (c *managed) Summary(ctx context.Context) ([]byte, error) {
	summary, err := c.s.o.Store.Summarizer.ClusterSummary(ctx)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(report{Summary: summary})
	if err != nil {
		return nil, fmt.Errorf("federation: encode the summary: %w", err)
	}
	return body, nil
}

// Tunnel implements [link.Host]: none is offered.
func (c *managed) Tunnel(_ context.Context, stream net.Conn) { _ = stream.Close() }

// applied tells whoever asked that the feed, or its end, has changed something.
func (s *Service) applied(kinds []feed.Kind) {
	if s.o.Applied != nil {
		s.o.Applied(kinds)
	}
}

// observed is a member's store that tells which kinds a change has touched, once
// the change is durable.
type observed struct {
	syncer.MemberStore
	applied func([]feed.Kind)
}

// Apply implements [syncer.MemberStore].
func (o observed) Apply(ctx context.Context, change syncer.Change) (syncer.Hash, error) {
	root, err := o.MemberStore.Apply(ctx, change)
	if err != nil || o.applied == nil {
		return root, err
	}
	if change.Drop || change.Replace != nil {
		o.applied(nil)
		return root, nil
	}
	var kinds []feed.Kind
	for _, r := range change.Put {
		if kind := feed.Kind(r.Kind); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) > 0 {
		o.applied(kinds)
	}
	return root, nil
}
