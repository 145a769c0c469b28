package federation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
)

// skewLimit is the clock difference from which a member's state says so. Nothing
// depends on equal clocks; people who compare times do.
const skewLimit = time.Minute

// Clusters lists the federation as this cluster sees it: on a primary itself and
// its members by name, on a managed cluster the primary and itself, on a
// standalone one itself alone.
func (s *Service) Clusters(ctx context.Context) ([]model.Cluster, error) {
	m, err := s.Membership(ctx)
	if err != nil {
		return nil, err
	}
	switch m.Role {
	case model.Primary:
		return s.primaryClusters(ctx, m)
	case model.Managed:
		return s.managedClusters(ctx, m)
	}
	self, err := s.self(ctx, m)
	self.Status = model.StatusActive
	return []model.Cluster{self}, err
}

// self is this cluster without a state.
func (s *Service) self(ctx context.Context, m model.Membership) (model.Cluster, error) {
	summary, err := s.o.Store.Summarizer.ClusterSummary(ctx)
	return model.Cluster{
		ID: m.ClusterID, Name: m.ClusterName, Role: m.Role, Address: m.Advertise, Version: s.o.Version,
		JoinedAt: m.Since, LastSeen: s.o.Now(), Summary: summary,
	}, err
}

func (s *Service) primaryClusters(ctx context.Context, m model.Membership) ([]model.Cluster, error) {
	self, err := s.self(ctx, m)
	if err != nil {
		return nil, err
	}
	_, heads, err := s.o.Store.Feed.Heads(ctx)
	if err != nil {
		return nil, err
	}
	var head uint64
	for _, h := range heads {
		head += h.Revision
	}
	self.Status, self.Head, self.Applied = model.StatusActive, head, head
	members, err := s.o.Store.Members.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	live := map[string]link.MemberStatus{}
	if p := s.active.playing(); p != nil && p.primary != nil {
		for _, st := range p.primary.hub.Status() {
			live[st.Peer.ID] = st
		}
	}
	clusters := []model.Cluster{self}
	for _, c := range members {
		c.Head = head
		if st, ok := live[c.ID]; ok {
			c = liveCluster(c, st)
		} else {
			c = awayCluster(c, s.o.Now())
		}
		clusters = append(clusters, c)
	}
	return clusters, nil
}

// seenCluster is what is kept of a connected member for when it is away.
func seenCluster(st link.MemberStatus) model.Cluster {
	c := model.Cluster{ID: st.Peer.ID, LastSeen: st.Heard, Version: st.Product}
	for _, stream := range st.Streams {
		c.Applied += applied(stream.Head, stream.Acked)
	}
	return c
}

// applied is how much of a stream is held, as far as the head tells.
func applied(head syncer.Head, at syncer.Position) uint64 { return min(head.Revision, at.Revision) }

func liveCluster(c model.Cluster, st link.MemberStatus) model.Cluster {
	seen := seenCluster(st)
	c.LastSeen, c.Applied, c.ClockOffset = seen.LastSeen, seen.Applied, st.Offset
	if seen.Version != "" {
		c.Version = seen.Version
	}
	switch {
	case !st.Greeted:
		c.Status = model.StatusConnected
	case st.Synced:
		c.Status, c.Applied = model.StatusSynced, c.Head
	case st.InFlight > 0:
		c.Status = model.StatusSyncing
	default:
		c.Status = model.StatusOutOfSync
	}
	if off := st.Offset.Abs(); off > skewLimit {
		c.Reason = fmt.Sprintf("its clock differs from the primary's by %s", off.Round(time.Second))
	}
	return c
}

func awayCluster(c model.Cluster, now time.Time) model.Cluster {
	if c.LastSeen.Equal(c.JoinedAt) {
		c.Status, c.Reason = model.StatusJoined, "it has joined and not connected yet"
		return c
	}
	c.Status = model.StatusDisconnected
	c.Reason = fmt.Sprintf("not heard for %s; it decides with what it has", now.Sub(c.LastSeen).Round(time.Second))
	return c
}

func (s *Service) managedClusters(ctx context.Context, m model.Membership) ([]model.Cluster, error) {
	self, err := s.self(ctx, m)
	if err != nil {
		return nil, err
	}
	primary := model.Cluster{
		ID: m.PrimaryID, Name: m.PrimaryName, Role: model.Primary, Address: m.PrimaryAddress,
		Status: model.StatusDisconnected, JoinedAt: m.Since,
	}
	self.Status = model.StatusDisconnected
	p := s.active.playing()
	if p == nil || p.agent == nil {
		primary.Reason = "the link is not running yet"
		return []model.Cluster{primary, self}, nil
	}
	st := p.agent.Status()
	primary.LastSeen, primary.Version, primary.Reason, primary.ClockOffset = st.Heard, st.Product, st.Reason, st.Offset
	for _, stream := range st.Streams {
		self.Head += stream.Head.Revision
		self.Applied += applied(stream.Head, stream.Applied)
	}
	primary.Head, primary.Applied = self.Head, self.Head
	switch st.State {
	case link.StateSynced:
		primary.Status, self.Status = model.StatusConnected, model.StatusSynced
	case link.StateCatchingUp:
		primary.Status, self.Status = model.StatusConnected, model.StatusSyncing
	}
	self.Reason = primary.Reason
	return []model.Cluster{primary, self}, nil
}

// RemoveCluster ends the membership of a cluster: its certificate is worth
// nothing from now on. A cluster that is connected is told and cleans up; one
// that is away does when it comes back. It fails with fault.NotFound for a
// cluster that is no member.
func (s *Service) RemoveCluster(ctx context.Context, actor model.Actor, id string) (err error) {
	defer func() { s.audit(ctx, actor, "federation.remove", id, err) }()
	if err := allow(actor, model.FedWrite, "remove clusters"); err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	m, err := s.as(ctx, model.Primary)
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("removed from the primary %q by %s", m.ClusterName, actor.Name)
	p := s.active.playing()
	if p == nil || p.primary == nil {
		_, err := s.o.Store.Members.RemoveCluster(ctx, id, reason)
		return err
	}
	if err := p.primary.registrar.remove(ctx, id, reason); err != nil {
		return err
	}
	if err := p.primary.hub.Remove(id, link.NoticeRemoved, reason); err != nil && !errors.Is(err, link.ErrNotConnected) {
		return err
	}
	return nil
}

// Deploy makes a connected cluster compare all it holds with the feed now and
// fetch what differs. It fails with fault.NotFound for a cluster that is no
// member, and with fault.Unavailable for one that is away: it will do the same
// when it comes back.
func (s *Service) Deploy(ctx context.Context, actor model.Actor, id string) (err error) {
	defer func() { s.audit(ctx, actor, "federation.deploy", id, err) }()
	if err := allow(actor, model.FedWrite, "deploy to clusters"); err != nil {
		return err
	}
	if _, err := s.as(ctx, model.Primary); err != nil {
		return err
	}
	c, err := s.member(ctx, id)
	if err != nil {
		return err
	}
	p := s.active.playing()
	if p != nil && p.primary != nil {
		if _, err := p.primary.hub.Session(id); err == nil {
			p.primary.hub.Wake()
			p.primary.hub.Reassess(id)
			return nil
		}
	}
	return fault.New(fault.Unavailable, "federation: cluster %q is not connected", c.Name).
		WithHint("it compares everything by itself as soon as it is back")
}

func (s *Service) member(ctx context.Context, id string) (model.Cluster, error) {
	members, err := s.o.Store.Members.Clusters(ctx)
	if err != nil {
		return model.Cluster{}, err
	}
	for _, c := range members {
		if c.ID == id {
			return c, nil
		}
	}
	return model.Cluster{}, fault.New(fault.NotFound, "federation: no member %q", id).WithHint("muster cluster list shows the members")
}
