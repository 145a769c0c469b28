package federation

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/session"
)

// Join makes this standalone cluster a managed one of the primary that made the
// token, under the given name or, when empty, the one it has. A join that failed
// half way is finished by joining again with the same token. It fails with
// fault.Invalid for a text that is no token, fault.Conflict in another role or
// when the name is taken, fault.Gone for a token that is used up, expired,
// revoked or unknown, fault.Denied when the other side is not the token's
// primary, and fault.Unavailable when the primary cannot be reached.
func (s *Service) Join(ctx context.Context, actor model.Actor, token, name string) (err error) {
	defer func() { s.audit(ctx, actor, "federation.join", name, err) }()
	if err := allow(actor, model.WriteAll, "join a federation"); err != nil {
		return err
	}
	parsed, err := session.ParseJoinToken(token)
	if err != nil {
		return fault.New(fault.Invalid, "federation: %w", err).
			WithHint("copy the whole token as the primary printed it (muster token create)")
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if m, err := s.Membership(ctx); err == nil && m.Role == model.Primary && m.FederationID == parsed.Ticket.Federation {
		return fault.New(fault.Conflict, "federation: this cluster is the primary that made the token").
			WithHint("use the token on the cluster that is to join")
	}
	m, err := s.as(ctx, model.Standalone)
	if err != nil {
		return err
	}
	if name == "" {
		name = m.ClusterName
	}
	if err := checkName(name); err != nil {
		return err
	}
	pending, err := s.prepareJoin(ctx, parsed, token, name)
	if err != nil {
		return err
	}
	return s.enrol(ctx, parsed, pending)
}

// prepareJoin saves the key of this join before anybody hears of it, or finds the
// one saved by an earlier attempt with the same token.
func (s *Service) prepareJoin(ctx context.Context, parsed session.JoinToken, token, name string) (pendingJoin, error) {
	var pending pendingJoin
	err := s.vault.load(ctx, secretPending, &pending)
	switch {
	case err == nil:
		if earlier, err := session.ParseJoinToken(pending.Token); err == nil && earlier.Ticket.Token == parsed.Ticket.Token {
			pending.Name = name
			return pending, s.vault.keep(ctx, secretPending, pending)
		}
	case !isFault(err, fault.NotFound):
		return pendingJoin{}, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return pendingJoin{}, fmt.Errorf("federation: make this cluster's key: %w", err)
	}
	pending = pendingJoin{Token: token, Name: name, Key: key}
	return pending, s.vault.keep(ctx, secretPending, pending)
}

// enrol asks the primary and becomes what it grants. A refusal ends the pending
// join; anything else leaves it to be repeated.
func (s *Service) enrol(ctx context.Context, token session.JoinToken, pending pendingJoin) error {
	m, err := s.identify(ctx)
	if err != nil {
		return err
	}
	info, err := json.Marshal(applicant{ClusterID: m.ClusterID, Version: s.o.Version})
	if err != nil {
		return fmt.Errorf("federation: encode the application: %w", err)
	}
	address := net.JoinHostPort(token.Server, strconv.Itoa(token.Port))
	conn, err := s.o.Transport.Dial(ctx, address)
	if err != nil {
		return fault.New(fault.Unavailable, "federation: dial the primary at %s: %w", address, err).
			WithHint("check from here that the address of the token resolves and that its port is open")
	}
	joiner := session.Joiner{Ticket: token.Ticket, Key: pending.Key, Name: pending.Name, Info: info}
	grant, err := joiner.Enrol(ctx, conn)
	if err != nil {
		if r, refused := errors.AsType[*session.Refusal](err); refused && r.Code != session.CodeUnavailable {
			err = errors.Join(err, s.vault.forget(context.WithoutCancel(ctx), secretPending))
		}
		return joinError(err, address)
	}
	return s.becomeManaged(context.WithoutCancel(ctx), token, pending, m, grant)
}

func (s *Service) becomeManaged(ctx context.Context, token session.JoinToken, pending pendingJoin, m model.Membership, grant session.Grant) error {
	var primary welcome
	if err := json.Unmarshal(grant.Settings, &primary); err != nil {
		return fmt.Errorf("federation: read the primary's welcome: %w", err)
	}
	sealed, err := s.vault.seal(secretCredential, credential{
		Chain: grant.Chain, Key: pending.Key, CAPins: []session.Pin{token.Ticket.Pin}, ContentKey: grant.ContentKey,
	})
	if err != nil {
		return err
	}
	m.Role, m.ClusterID, m.ClusterName, m.FederationID = model.Managed, grant.Member, pending.Name, token.Ticket.Federation
	m.PrimaryAddress, m.PrimaryName = net.JoinHostPort(token.Server, strconv.Itoa(token.Port)), primary.PrimaryName
	m.PrimaryID, m.Since = primary.PrimaryID, s.o.Now()
	if err := s.o.Store.Memberships.EnterFederation(ctx, m, map[string][]byte{secretCredential: sealed}, ""); err != nil {
		return err
	}
	s.o.Log.Info("joined", "federation", m.FederationID, "primary", m.PrimaryName, "address", m.PrimaryAddress)
	s.changed()
	return nil
}

// joinError says in core's terms what came of an enrolment.
func joinError(err error, address string) error {
	refusal, refused := errors.AsType[*session.Refusal](err)
	if !refused {
		if errors.Is(err, session.ErrPeer) {
			return fault.New(fault.Denied, "federation: %s is not the primary that made the token: %w", address, err).
				WithHint("the token may be of another federation, the address may lead elsewhere, or somebody stands in the middle: make a new token on the primary")
		}
		return fault.New(fault.Unavailable, "federation: enrol with the primary at %s: %w", address, err).
			WithHint("join again with the same token: nothing is lost, and no use of it either")
	}
	kind := fault.Internal
	switch refusal.Code {
	case session.CodeTokenUnknown, session.CodeTokenExpired, session.CodeTokenUsed, session.CodeTokenRevoked, session.CodeRemoved:
		kind = fault.Gone
	case session.CodeFederation, session.CodePin, session.CodeProof:
		kind = fault.Denied
	case session.CodeNameTaken:
		kind = fault.Conflict
	case session.CodeRequest:
		kind = fault.Invalid
	case session.CodeUnavailable:
		kind = fault.Unavailable
	}
	return fault.New(kind, "federation: the primary at %s refuses: %w", address, err).WithHint("%s", refusal.Reason)
}

// resumeJoin finishes a join that was under way when the daemon was killed. What
// it cannot finish stays for an administrator to repeat.
func (s *Service) resumeJoin(ctx context.Context) {
	release, err := s.take(ctx)
	if err != nil {
		return
	}
	defer release()
	var pending pendingJoin
	if err := s.vault.load(ctx, secretPending, &pending); err != nil {
		if !isFault(err, fault.NotFound) {
			s.o.Log.Warn("an unfinished join cannot be read", "error", err)
		}
		return
	}
	token, err := session.ParseJoinToken(pending.Token)
	if err == nil {
		err = s.enrol(ctx, token, pending)
	}
	s.audit(ctx, model.System(), "federation.join", pending.Name, err)
	if err != nil {
		s.o.Log.Warn("an unfinished join could not be finished", "error", err, "hint", fault.HintOf(err))
	}
}
