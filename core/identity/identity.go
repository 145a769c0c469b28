// Package identity knows who asks: accounts with passwords, their sessions,
// and the API keys of machines. It says who somebody is and with which role;
// what a role may do is in core/model, and whether it is asked for at all is
// decided where a request comes in.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// Reasons that an API tells apart beyond the kind of the fault.
var (
	// ErrBlocked marks a login refused without looking at the password.
	ErrBlocked = errors.New("too many failed logins")
	// ErrWeakPassword marks a new password that is too short or too long.
	ErrWeakPassword = errors.New("password is too weak")
)

// How long things last, and how large they may be.
const (
	idleTimeout  = 30 * time.Minute // a session that is not used ends
	maxAge       = 6 * time.Hour    // every session ends
	touchEvery   = time.Minute      // how exactly idleness is known; spares a synced write per request
	sessionLimit = 16               // per account; a further login ends the oldest
	tokenBytes   = 32

	minPassword = 8
	maxPassword = 1024
	maxName     = 64
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]*$`)

// Options are what a service needs. All fields but Now, Log and Cost are required.
type Options struct {
	Accounts    AccountStore
	Sessions    SessionStore
	Keys        KeyStore
	Audit       Auditor
	Memberships Memberships
	DataDir     string           // where initial-admin-password is written
	Log         *slog.Logger     // discards when nil
	Now         func() time.Time // time.Now when nil
	Cost        Cost             // of new password hashes; DefaultCost when zero
}

// Service authenticates and administers. All methods are safe for concurrent use.
type Service struct {
	accounts    AccountStore
	sessions    SessionStore
	keys        KeyStore
	audit       Auditor
	memberships Memberships
	dataDir     string
	log         *slog.Logger
	now         func() time.Time
	hasher      *hasher
	throttle    *throttle
}

// New makes a service; it touches nothing yet.
func New(o Options) (*Service, error) {
	if o.Accounts == nil || o.Sessions == nil || o.Keys == nil || o.Audit == nil || o.Memberships == nil || o.DataDir == "" {
		return nil, errors.New("identity: an option is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Cost == (Cost{}) {
		o.Cost = DefaultCost()
	}
	h, err := newHasher(o.Cost)
	if err != nil {
		return nil, err
	}
	return &Service{
		accounts: o.Accounts, sessions: o.Sessions, keys: o.Keys, audit: o.Audit,
		memberships: o.Memberships, dataDir: o.DataDir, log: o.Log, now: o.Now,
		hasher: h, throttle: newThrottle(o.Now),
	}, nil
}

// record writes what was done, or attempted and refused, into the audit trail.
// The deed stands even when the trail cannot be written; that is logged.
func (s *Service) record(ctx context.Context, actor model.Actor, action, target string, err error) {
	event := model.AuditEvent{Time: s.now(), Actor: actor.Name, Action: action, Target: target, Outcome: "ok"}
	if err != nil {
		event.Outcome = err.Error()
	}
	if err := s.audit.Audit(context.WithoutCancel(ctx), event); err != nil {
		s.log.Error("audit event lost", "action", action, "actor", actor.Name, "error", err)
	}
}

// randomText is n random bytes as URL-safe text.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: the runtime ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// hashToken is how tokens and key secrets are kept. They are 256 random bits,
// so a fast hash is enough.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func checkName(what, name string) error {
	if len(name) > maxName || !validName.MatchString(name) {
		return fault.New(fault.Invalid, "identity: %q is not a name for %s", name, what).
			WithHint("use 1 to %d letters, digits and . _ @ -, beginning with a letter or digit", maxName)
	}
	return nil
}

func checkPassword(password string) error {
	if len(password) < minPassword || len(password) > maxPassword {
		return fault.New(fault.Invalid, "identity: new password: %w", ErrWeakPassword).
			WithHint("use %d to %d characters", minPassword, maxPassword)
	}
	return nil
}

// mayGive refuses a federated role unless a federated administrator gives it
// on a primary.
func (s *Service) mayGive(ctx context.Context, actor model.Actor, role model.Role) error {
	if !role.Valid() {
		return fault.New(fault.Invalid, "identity: %q is not a role", role).WithHint("roles are %v", model.Roles())
	}
	if !isFederated(role) {
		return nil
	}
	m, err := s.memberships.Membership(ctx)
	if err != nil {
		return fmt.Errorf("identity: read membership: %w", err)
	}
	if m.Role != model.Primary {
		return fault.New(fault.Denied, "identity: role %s exists on a primary cluster only; this one is %s", role, m.Role)
	}
	return mayTouch(actor, role)
}

// mayTouch refuses to change who has a federated role, unless the actor is a
// federated administrator.
func mayTouch(actor model.Actor, role model.Role) error {
	if isFederated(role) && !actor.Role.Can(model.FedWrite) {
		return fault.New(fault.Denied, "identity: only a %s may do this with role %s", model.RoleFedAdmin, role)
	}
	return nil
}

func isFederated(role model.Role) bool {
	return role == model.RoleFedAdmin || role == model.RoleFedReader
}
