package federation

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/session"
)

// Promote makes this standalone cluster the primary of a new federation under
// the given name; advertise is host:port of the fed port as members reach it.
// Only a local administrator may, and becomes a federated one. It fails with
// fault.Denied, fault.Invalid, fault.Conflict in another role, and
// fault.Unavailable when the fed port cannot be opened.
func (s *Service) Promote(ctx context.Context, actor model.Actor, name, advertise string) (err error) {
	name = cmp.Or(name, s.o.ClusterName)
	defer func() { s.audit(ctx, actor, "federation.promote", name, err) }()
	if err := mayPromote(actor); err != nil {
		return err
	}
	if err := errors.Join(checkName(name), checkAddress(advertise)); err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if _, err := s.as(ctx, model.Standalone); err != nil {
		return err
	}
	listener, err := s.o.Transport.Listen(ctx, s.o.Listen)
	if err != nil {
		return fault.New(fault.Unavailable, "federation: open the fed port %s: %w", s.o.Listen, err).
			WithHint("free the port or choose another with --fed-listen")
	}
	if err := s.found(ctx, actor, name, advertise); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.listener = listener
	s.changed()
	return nil
}

// found makes the federation.
func (s *Service) found(ctx context.Context, actor model.Actor, name, advertise string) error {
	m, err := s.identify(ctx)
	if err != nil {
		return err
	}
	m.Role, m.ClusterName, m.Advertise, m.Since = model.Primary, name, advertise, s.o.Now()
	if m.FederationID, err = newID(); err != nil {
		return err
	}
	sealed, err := s.newAuthority(m.FederationID)
	if err != nil {
		return err
	}
	founder := ""
	if actor.Source == model.AccountLocal {
		founder = actor.Name
	}
	return s.o.Store.Memberships.EnterFederation(ctx, m, map[string][]byte{secretAuthority: sealed}, founder)
}

func mayPromote(actor model.Actor) error {
	local := actor.Source == model.AccountLocal || actor.Source == model.AccountSystem
	if !local || !actor.Role.Can(model.WriteAll) {
		return fault.New(fault.Denied, "federation: only a local administrator may promote a cluster, not %q (role %s, account %s)",
			actor.Name, actor.Role, actor.Source).WithHint("log in with the password of a local administrator, not with an API key")
	}
	return nil
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || n == 0 {
		return fault.New(fault.Invalid, "federation: %q is no address that members can reach", address).
			WithHint("give host:port, for example primary.example.com:11443")
	}
	return nil
}

func (s *Service) newAuthority(federation string) ([]byte, error) {
	ca, err := session.NewCA(federation, s.o.Now())
	if err != nil {
		return nil, err
	}
	_, content, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("federation: make the content key: %w", err)
	}
	return s.vault.seal(secretAuthority, authority{CACert: ca.Certificate(), CAKey: ca.Key(), ContentKey: content})
}

// Demote ends the federation of this primary: members that are connected are
// told, the feed and everything federated is deleted, federated roles become
// local ones. It fails with fault.Denied and, on another cluster than a primary,
// with fault.Conflict.
func (s *Service) Demote(ctx context.Context, actor model.Actor) (err error) {
	defer func() { s.audit(ctx, actor, "federation.demote", "", err) }()
	if err := allow(actor, model.FedWrite, "demote this cluster"); err != nil {
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
	if p := s.active.playing(); p != nil && p.primary != nil {
		p.primary.dismissAll(ctx, fmt.Sprintf("the primary %q was demoted by %s", m.ClusterName, actor.Name))
	}
	s.active.stop()
	s.changed() // whatever happens now, Run looks again
	if err := s.o.Store.Memberships.LeaveFederation(ctx); err != nil {
		return err
	}
	s.applied(nil)
	return nil
}
