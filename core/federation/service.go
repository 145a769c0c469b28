package federation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
)

// Store is what the service keeps, by concern; one store satisfies all of it.
type Store struct {
	Memberships Memberships
	Secrets     Secrets
	Tokens      Tokens
	Members     Members
	MemberKeys  MemberKeys
	Switches    Switches
	Changes     Changes
	Summarizer  Summarizer
	Feed        syncer.PrimaryStore
	Replica     Replica
}

// Options are what the service is built from.
type Options struct {
	Store     Store
	Sealer    Sealer
	Auditor   Auditor
	Transport Transport
	// ClusterName is the configured name, which holds outside a federation.
	ClusterName string
	// Listen is the address of the fed port, on a primary.
	Listen string
	// Fallback answers whoever speaks HTTP on the fed port.
	Fallback http.Handler
	// Applied, when set, is called after each change that the feed has brought,
	// with the kinds of records that it touched; none means any.
	Applied func(kinds []feed.Kind)
	// Version is this release.
	Version string
	// Link tunes heartbeats, batches and retries; its zero fields have defaults.
	Link link.Options
	// Timing is DefaultTiming when zero.
	Timing Timing
	Now    func() time.Time
	Log    *slog.Logger
}

// Timing says how often and how long.
type Timing struct {
	Notify    time.Duration // the most that leaving and demoting wait for the other side
	Seen      time.Duration // between two times that the state of the members is kept
	Collect   time.Duration // between collections of old tombstones
	Tombstone time.Duration // how long a deletion is remembered
}

// DefaultTiming is what a daemon uses.
func DefaultTiming() Timing {
	return Timing{Notify: 5 * time.Second, Seen: 30 * time.Second, Collect: time.Hour, Tombstone: 7 * 24 * time.Hour}
}

// Service is this cluster's part in a federation. Its methods are safe for
// concurrent use; those that change the role take turns.
type Service struct {
	o      Options
	vault  vault
	turn   chan struct{} // held by whoever changes the role, or starts what it asks for
	wake   chan struct{} // a role has changed
	active activity
	// listener is the fed port that Promote opened, until Run takes it over; only
	// who has the turn touches it.
	listener net.Listener
}

// New checks that nothing is missing and does no work.
func New(o Options) (*Service, error) {
	s := o.Store
	for name, missing := range map[string]bool{
		"store": s.Memberships == nil || s.Secrets == nil || s.Tokens == nil || s.Members == nil || s.MemberKeys == nil ||
			s.Switches == nil || s.Changes == nil || s.Summarizer == nil || s.Feed == nil || s.Replica == nil,
		"sealer": o.Sealer == nil, "auditor": o.Auditor == nil,
		"transport": o.Transport == nil, "cluster name": o.ClusterName == "", "fallback": o.Fallback == nil,
		"clock": o.Now == nil, "log": o.Log == nil,
	} {
		if missing {
			return nil, fmt.Errorf("federation: no %s", name)
		}
	}
	if o.Timing == (Timing{}) {
		o.Timing = DefaultTiming()
	}
	if defaults := link.DefaultOptions(); o.Link.RetryMin == 0 {
		o.Link.RetryMin, o.Link.RetryMax = defaults.RetryMin, defaults.RetryMax
	}
	return &Service{
		o: o, vault: vault{s.Secrets, o.Sealer}, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}, nil
}

// Membership says what this cluster is in a federation.
func (s *Service) Membership(ctx context.Context) (model.Membership, error) {
	m, err := s.o.Store.Memberships.Membership(ctx)
	if m.ClusterName == "" {
		m.ClusterName = s.o.ClusterName
	}
	return m, err
}

// identify gives a new cluster its id.
func (s *Service) identify(ctx context.Context) (model.Membership, error) {
	id, err := newID()
	if err != nil {
		return model.Membership{}, err
	}
	return s.o.Store.Memberships.NameCluster(ctx, id, s.o.ClusterName)
}

// take waits for the turn to change the role. release gives it back.
func (s *Service) take(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "federation: another change of this cluster's role is under way: %w", ctx.Err()).
			WithHint("wait for it to end and try again")
	}
}

// changed tells Run that the role may be another.
func (s *Service) changed() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// as refuses unless this cluster has the role.
func (s *Service) as(ctx context.Context, role model.ClusterRole) (model.Membership, error) {
	m, err := s.Membership(ctx)
	if err != nil || m.Role == role {
		return m, err
	}
	refused := fault.New(fault.Conflict, "federation: this cluster is %s, not %s", m.Role, role)
	switch {
	case role == model.Standalone && m.Role == model.Managed:
		return m, refused.WithHint("it is a managed cluster of %q: leave that federation first (muster leave)", m.PrimaryName)
	case role == model.Standalone:
		return m, refused.WithHint("it is a primary: demote it first (muster demote)")
	case role == model.Primary && m.Role == model.Managed:
		return m, refused.WithHint("do this on the primary cluster %q", m.PrimaryName)
	case role == model.Primary:
		return m, refused.WithHint("promote this cluster first (muster promote)")
	}
	return m, refused.WithHint("join a federation first (muster join)")
}

func allow(actor model.Actor, p model.Permission, what string) error {
	if actor.Role.Can(p) {
		return nil
	}
	return fault.New(fault.Denied, "federation: the role %q may not %s", actor.Role, what).
		WithHint("log in as an account that has the permission %s", p)
}

// checkName accepts what can be shown and typed as the name of a cluster.
func checkName(name string) error {
	ok := name != "" && len(name) <= 128 && name == strings.TrimSpace(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd })
	if !ok {
		return fault.New(fault.Invalid, "federation: %q is no name for a cluster", name).
			WithHint("a name has 1 to 128 bytes, no control characters and no blanks around it")
	}
	return nil
}

// audit records who did what; err is what came of it. An audit that cannot be
// written is logged: it must not undo what happened.
func (s *Service) audit(ctx context.Context, actor model.Actor, action, target string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = err.Error()
	}
	e := model.AuditEvent{Time: s.o.Now(), Actor: actor.Name, Action: action, Target: target, Outcome: outcome}
	if err := s.o.Auditor.Audit(context.WithoutCancel(ctx), e); err != nil {
		s.o.Log.Error("audit event not written", "action", action, "error", err)
	}
}

// isFault tells a failure of a kind.
func isFault(err error, kind fault.Kind) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Kind == kind
}
