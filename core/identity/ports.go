package identity

import (
	"context"
	"time"

	"github.com/muster-sec/muster/core/model"
)

// AccountStore keeps accounts with the hashes of their passwords. Missing
// accounts are NotFound faults, taken names Conflict.
type AccountStore interface {
	Accounts(ctx context.Context) ([]model.Account, error)
	Account(ctx context.Context, username string) (a model.Account, passwordHash string, err error)
	AddAccount(ctx context.Context, a model.Account, passwordHash string) error
	// RemoveAccount refuses, as a Conflict, to remove the last account that has
	// one of the roles in keepOne.
	RemoveAccount(ctx context.Context, username string, keepOne []model.Role) error
	// SetPasswordHash also ends the account's sessions.
	SetPasswordHash(ctx context.Context, username, passwordHash string) error
}

// SessionStore keeps sessions by the hash of their token. They go with their account.
type SessionStore interface {
	BeginSession(ctx context.Context, username, tokenHash string, at time.Time, keep int) error
	Session(ctx context.Context, tokenHash string) (a model.Account, created, seen time.Time, err error)
	TouchSession(ctx context.Context, tokenHash string, at time.Time) error
	EndSession(ctx context.Context, tokenHash string) error
}

// KeyStore keeps API keys with the hashes of their secrets.
type KeyStore interface {
	APIKeys(ctx context.Context) ([]model.APIKey, error)
	APIKey(ctx context.Context, name string) (key model.APIKey, secretHash string, err error)
	AddAPIKey(ctx context.Context, key model.APIKey, secretHash string) error
	RemoveAPIKey(ctx context.Context, name string) error
}

// Auditor records who did what.
type Auditor interface {
	Audit(ctx context.Context, e model.AuditEvent) error
}

// Memberships says what this cluster is.
type Memberships interface {
	Membership(ctx context.Context) (model.Membership, error)
}
