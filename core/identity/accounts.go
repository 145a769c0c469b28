package identity

import (
	"context"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// Accounts gives all accounts by name.
func (s *Service) Accounts(ctx context.Context) ([]model.Account, error) {
	accounts, err := s.accounts.Accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity: list accounts: %w", err)
	}
	return accounts, nil
}

// AddAccount adds an account with a password. Faults: Invalid (name, role,
// ErrWeakPassword), Denied (a federated role), Conflict (the name is taken).
func (s *Service) AddAccount(ctx context.Context, actor model.Actor, a model.Account, password string) (added model.Account, err error) {
	defer func() { s.record(ctx, actor, "account.add", a.Username, err) }()
	if err := checkName("an account", a.Username); err != nil {
		return model.Account{}, err
	}
	if err := checkPassword(password); err != nil {
		return model.Account{}, err
	}
	if err := s.mayGive(ctx, actor, a.Role); err != nil {
		return model.Account{}, err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return model.Account{}, err
	}
	added = model.Account{Username: a.Username, Role: a.Role, CreatedAt: s.now()}
	if err := s.accounts.AddAccount(ctx, added, hash); err != nil {
		return model.Account{}, fmt.Errorf("identity: add account: %w", err)
	}
	return added, nil
}

// RemoveAccount removes an account and its sessions. The last administrator
// cannot be removed, nor on a primary the last federated one (Conflict).
func (s *Service) RemoveAccount(ctx context.Context, actor model.Actor, username string) (err error) {
	defer func() { s.record(ctx, actor, "account.remove", username, err) }()
	account, _, err := s.accounts.Account(ctx, username)
	if err != nil {
		return fmt.Errorf("identity: remove account: %w", err)
	}
	if err := mayTouch(actor, account.Role); err != nil {
		return err
	}
	m, err := s.memberships.Membership(ctx)
	if err != nil {
		return fmt.Errorf("identity: read membership: %w", err)
	}
	keepOne := []model.Role{model.RoleAdmin, model.RoleFedAdmin}
	if m.Role == model.Primary && account.Role == model.RoleFedAdmin {
		keepOne = []model.Role{model.RoleFedAdmin}
	}
	if err := s.accounts.RemoveAccount(ctx, username, keepOne); err != nil {
		return fmt.Errorf("identity: remove account: %w", err)
	}
	return nil
}

// SetPassword changes a password and ends the account's sessions. One's own
// needs the current one; another's needs the right to change this cluster, and
// that of a federated account a federated administrator.
func (s *Service) SetPassword(ctx context.Context, actor model.Actor, username, current, next string) (err error) {
	defer func() { s.record(ctx, actor, "account.password", username, err) }()
	own := actor.Source == model.AccountLocal && actor.Name == username
	if !own && !actor.Role.Can(model.WriteAll) {
		return fault.New(fault.Denied, "identity: role %s may change its own password only", actor.Role)
	}
	account, stored, err := s.accounts.Account(ctx, username)
	if err != nil {
		return fmt.Errorf("identity: change password: %w", err)
	}
	if own {
		err = s.checkCurrent(ctx, username, current, stored)
	} else {
		err = mayTouch(actor, account.Role)
	}
	if err != nil {
		return err
	}
	if err := checkPassword(next); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, next)
	if err != nil {
		return err
	}
	if err := s.accounts.SetPasswordHash(ctx, username, hash); err != nil {
		return fmt.Errorf("identity: change password: %w", err)
	}
	if username == initialAdmin {
		s.forgetInitialPassword()
	}
	return nil
}

// checkCurrent throttles like a login does: whoever has a session but not the
// password must not be able to try passwords.
func (s *Service) checkCurrent(ctx context.Context, username, current, stored string) error {
	const source = "password change"
	if wait := s.throttle.begin(username, source); wait > 0 {
		return fault.New(fault.Denied, "identity: change password of %s: %w", username, ErrBlocked)
	}
	ok, err := s.hasher.verify(ctx, current, stored)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.Denied, "identity: the current password is wrong")
	}
	s.throttle.success(username, source)
	return nil
}
