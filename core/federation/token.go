package federation

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/session"
)

// Limits of join tokens.
const (
	defaultTokenTTL = time.Hour
	maxTokenTTL     = 30 * 24 * time.Hour
	maxTokenUses    = 10_000
)

// CreateToken makes a join token of this primary. Zero ttl and maxUses mean one
// hour and one use. The text is a secret that is never shown again.
func (s *Service) CreateToken(ctx context.Context, actor model.Actor, ttl time.Duration, maxUses int) (token string, rec model.JoinToken, err error) {
	defer func() { s.audit(ctx, actor, "federation.token.create", rec.ID, err) }()
	if err := allow(actor, model.FedWrite, "create join tokens"); err != nil {
		return "", rec, err
	}
	if ttl == 0 {
		ttl = defaultTokenTTL
	}
	if maxUses == 0 {
		maxUses = 1
	}
	if ttl < time.Second || ttl > maxTokenTTL || maxUses < 1 || maxUses > maxTokenUses {
		return "", rec, fault.New(fault.Invalid, "federation: a token cannot live %s and be used %d times", ttl, maxUses).
			WithHint("choose 1 second to %d days and 1 to %d uses", int(maxTokenTTL/(24*time.Hour)), maxTokenUses)
	}
	m, err := s.as(ctx, model.Primary)
	if err != nil {
		return "", rec, err
	}
	host, port, err := net.SplitHostPort(m.Advertise)
	if err != nil {
		return "", rec, fault.New(fault.Internal, "federation: advertised address %q: %w", m.Advertise, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return "", rec, fault.New(fault.Internal, "federation: advertised address %q: %w", m.Advertise, err)
	}
	ca, _, err := s.authority(ctx, m.FederationID)
	if err != nil {
		return "", rec, err
	}
	id, err := newID()
	if err != nil {
		return "", rec, err
	}
	ticket, key, err := session.NewTicket(m.FederationID, ca.Pin(), id)
	if err != nil {
		return "", rec, err
	}
	token, err = session.JoinToken{Server: host, Port: n, Ticket: ticket}.Encode()
	if err != nil {
		return "", rec, err
	}
	now := s.o.Now()
	rec = model.JoinToken{ID: id, CreatedBy: actor.Name, CreatedAt: now, ExpiresAt: now.Add(ttl), MaxUses: maxUses}
	if err := s.o.Store.Tokens.AddJoinToken(ctx, rec, key); err != nil {
		return "", rec, err
	}
	return token, rec, nil
}

// Tokens lists the join tokens of this primary, newest first, without secrets.
func (s *Service) Tokens(ctx context.Context) ([]model.JoinToken, error) {
	if _, err := s.as(ctx, model.Primary); err != nil {
		return nil, err
	}
	return s.o.Store.Tokens.JoinTokens(ctx)
}

// RevokeToken makes a token useless; clusters that joined with it stay. It fails
// with fault.NotFound for a token that is none.
func (s *Service) RevokeToken(ctx context.Context, actor model.Actor, id string) (err error) {
	defer func() { s.audit(ctx, actor, "federation.token.revoke", id, err) }()
	if err := allow(actor, model.FedWrite, "revoke join tokens"); err != nil {
		return err
	}
	if _, err := s.as(ctx, model.Primary); err != nil {
		return err
	}
	return s.o.Store.Tokens.RevokeJoinToken(ctx, id)
}

// judge refuses a token that cannot be used at the given time.
func judge(t model.JoinToken, now time.Time) error {
	const again = "create a new one on the primary (muster token create)"
	switch {
	case t.Revoked:
		return &session.Refusal{Code: session.CodeTokenRevoked, Reason: "the token was revoked: " + again}
	case !now.Before(t.ExpiresAt):
		return &session.Refusal{
			Code:   session.CodeTokenExpired,
			Reason: "the token expired at " + t.ExpiresAt.UTC().Format(time.RFC3339) + " by the primary's clock: " + again,
		}
	case t.Uses >= t.MaxUses:
		return &session.Refusal{
			Code: session.CodeTokenUsed, Reason: "the token was used as often as it may be (" + strconv.Itoa(t.MaxUses) + "): " + again,
		}
	}
	return nil
}
