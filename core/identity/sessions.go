package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// Credentials are one attempt to log in.
type Credentials struct {
	Username string
	Password string
	Source   string // address it comes from, without the port
}

// Session is a login that succeeded. The token is shown once and kept hashed.
type Session struct {
	Token     string
	ExpiresAt time.Time // at the latest; sooner when it is not used
	Actor     model.Actor
}

// Login checks a password. An unknown user costs and answers the same as a
// wrong password; too many failures are refused unseen (ErrBlocked).
func (s *Service) Login(ctx context.Context, c Credentials) (Session, error) {
	actor := model.Actor{Name: c.Username, Source: model.AccountLocal}
	if len(c.Password) > maxPassword || checkName("an account", c.Username) != nil {
		return Session{}, wrongCredentials()
	}
	if wait := s.throttle.begin(c.Username, c.Source); wait > 0 {
		s.log.Warn("login blocked", "username", c.Username, "source", c.Source, "wait", wait)
		return Session{}, fault.New(fault.Denied, "identity: login of %s: %w", c.Username, ErrBlocked).
			WithHint("try again in %s", max(wait.Round(time.Second), time.Second))
	}
	account, err := s.checkCredentials(ctx, c)
	if err != nil {
		s.record(ctx, actor, "login", c.Source, err)
		return Session{}, err
	}
	s.throttle.success(c.Username, c.Source)
	session := Session{Token: randomText(tokenBytes), ExpiresAt: s.now().Add(maxAge), Actor: actor}
	session.Actor.Role = account.Role
	if err := s.sessions.BeginSession(ctx, account.Username, hashToken(session.Token), s.now(), sessionLimit); err != nil {
		return Session{}, fmt.Errorf("identity: log in: %w", err)
	}
	s.record(ctx, actor, "login", c.Source, nil)
	return session, nil
}

func (s *Service) checkCredentials(ctx context.Context, c Credentials) (model.Account, error) {
	account, stored, err := s.accounts.Account(ctx, c.Username)
	known := err == nil
	switch {
	case fault.KindOf(err) == fault.NotFound:
		stored = s.hasher.dummy
	case err != nil:
		return model.Account{}, fmt.Errorf("identity: log in: %w", err)
	}
	ok, err := s.hasher.verify(ctx, c.Password, stored)
	if err != nil {
		return model.Account{}, err
	}
	if !known || !ok {
		return model.Account{}, wrongCredentials()
	}
	if s.hasher.outdated(stored) {
		s.rehash(ctx, account.Username, c.Password)
	}
	return account, nil
}

// rehash stores the password at today's cost while it is at hand, which ends
// older sessions once. Failing costs nothing: the next login tries again.
func (s *Service) rehash(ctx context.Context, username, password string) {
	hash, err := s.hasher.hash(ctx, password)
	if err == nil {
		err = s.accounts.SetPasswordHash(ctx, username, hash)
	}
	if err != nil {
		s.log.Warn("password not rehashed", "username", username, "error", err)
	}
}

func wrongCredentials() error {
	return fault.New(fault.Unauthenticated, "identity: unknown user or wrong password")
}

// Authenticate gives who a session's token belongs to, with the role that the
// account has now, or an Unauthenticated fault.
func (s *Service) Authenticate(ctx context.Context, token string) (model.Actor, error) {
	hash := hashToken(token)
	account, created, seen, err := s.sessions.Session(ctx, hash)
	if fault.KindOf(err) == fault.NotFound {
		return model.Actor{}, sessionOver()
	}
	if err != nil {
		return model.Actor{}, fmt.Errorf("identity: authenticate: %w", err)
	}
	now := s.now()
	if now.Sub(created) > maxAge || now.Sub(seen) > idleTimeout {
		if err := s.sessions.EndSession(ctx, hash); err != nil {
			s.log.Warn("expired session not removed", "username", account.Username, "error", err)
		}
		return model.Actor{}, sessionOver()
	}
	if now.Sub(seen) >= touchEvery {
		if err := s.sessions.TouchSession(ctx, hash, now); err != nil {
			return model.Actor{}, fmt.Errorf("identity: authenticate: %w", err)
		}
	}
	return model.Actor{Name: account.Username, Role: account.Role, Source: model.AccountLocal}, nil
}

func sessionOver() error {
	return fault.New(fault.Unauthenticated, "identity: the session is over or never was").WithHint("log in again: muster login")
}

// Logout ends the session of a token; one that is over already is no error.
func (s *Service) Logout(ctx context.Context, token string) error {
	hash := hashToken(token)
	account, _, _, err := s.sessions.Session(ctx, hash)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err == nil {
		err = s.sessions.EndSession(ctx, hash)
	}
	if err != nil {
		return fmt.Errorf("identity: log out: %w", err)
	}
	s.record(ctx, model.Actor{Name: account.Username}, "logout", "", nil)
	return nil
}
