package identity_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/identity"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/store"
)

// house is a service over a real store, with a clock that tests move.
type house struct {
	*identity.Service
	store *store.Store
	dir   string
	mu    sync.Mutex
	time  time.Time
	role  model.ClusterRole
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.time
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.time = h.time.Add(d)
}

func (h *house) Membership(context.Context) (model.Membership, error) {
	return model.Membership{Role: h.role}, nil
}

func cheap() identity.Cost { return identity.Cost{MemoryKiB: 8, Passes: 1, Lanes: 1} }

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), time: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC), role: model.Standalone}
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(h.dir, "muster.db"), Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	h.store = st
	h.restart(t, cheap())
	return h
}

// restart makes a new service over the same rows.
func (h *house) restart(t *testing.T, cost identity.Cost) {
	t.Helper()
	s, err := identity.New(identity.Options{
		Accounts: h.store, Sessions: h.store, Keys: h.store, Audit: h.store,
		Memberships: h, DataDir: h.dir, Now: h.now, Cost: cost,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Service = s
}

func (h *house) account(t *testing.T, name string, role model.Role) {
	t.Helper()
	actor := model.System()
	if _, err := h.AddAccount(t.Context(), actor, model.Account{Username: name, Role: role}, password(name)); err != nil {
		t.Fatal(err)
	}
}

func password(name string) string { return "password of " + name }

func (h *house) login(t *testing.T, name, password string) (identity.Session, error) {
	t.Helper()
	return h.Login(t.Context(), identity.Credentials{Username: name, Password: password, Source: "10.0.0.1"})
}

func (h *house) mustLogin(t *testing.T, name, password string) identity.Session {
	t.Helper()
	session, err := h.login(t, name, password)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("%s: error %v, want %v", what, err, kind)
	}
}

func local(name string, role model.Role) model.Actor {
	return model.Actor{Name: name, Role: role, Source: model.AccountLocal}
}

func TestPasswordChange(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.role = model.Primary
	for name, role := range map[string]model.Role{"admin": model.RoleAdmin, "fed": model.RoleFedAdmin, "amy": model.RoleReader, "bob": model.RoleReader} {
		h.account(t, name, role)
	}
	amy, admin := local("amy", model.RoleReader), local("admin", model.RoleAdmin)
	key := model.Actor{Name: "amy", Role: model.RoleReader, Source: model.AccountAPIKey}
	session := h.mustLogin(t, "amy", password("amy"))
	tests := []struct {
		name           string
		actor          model.Actor
		user, cur, new string
		want           fault.Kind
	}{
		{"wrong current", amy, "amy", "wrong password", "new password", fault.Denied},
		{"no current", amy, "amy", "", "new password", fault.Denied},
		{"too short", amy, "amy", password("amy"), "short", fault.Invalid},
		{"too long", amy, "amy", password("amy"), strings.Repeat("x", 1025), fault.Invalid},
		{"another's", amy, "bob", "", "new password", fault.Denied},
		{"a key of the same name", key, "amy", password("amy"), "new password", fault.Denied},
		{"a federated account by a local admin", admin, "fed", "", "new password", fault.Denied},
		{"unknown", admin, "nobody", "", "new password", fault.NotFound},
	}
	for _, tt := range tests {
		wantKind(t, tt.name, h.SetPassword(ctx, tt.actor, tt.user, tt.cur, tt.new), tt.want)
	}
	if _, err := h.Authenticate(ctx, session.Token); err != nil {
		t.Errorf("a refused change ended the session: %v", err)
	}
	if err := h.SetPassword(ctx, amy, "amy", password("amy"), "new password"); err != nil {
		t.Fatal(err)
	}
	_, err := h.Authenticate(ctx, session.Token)
	wantKind(t, "a session of the old password", err, fault.Unauthenticated)
	h.mustLogin(t, "amy", "new password")
	if err := h.SetPassword(ctx, admin, "bob", "", "new password"); err != nil {
		t.Error(err)
	}
	h.mustLogin(t, "bob", "new password")
}

func TestCurrentPasswordCannotBeTriedForever(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.account(t, "amy", model.RoleReader)
	for range 5 {
		wantKind(t, "wrong", h.SetPassword(t.Context(), local("amy", model.RoleReader), "amy", "wrong password", "new password"), fault.Denied)
	}
	err := h.SetPassword(t.Context(), local("amy", model.RoleReader), "amy", password("amy"), "new password")
	if !errors.Is(err, identity.ErrBlocked) {
		t.Errorf("the sixth attempt: %v", err)
	}
}

func TestFederatedRolesAreGivenByFederatedAdministratorsOfAPrimary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cluster model.ClusterRole
		actor   model.Role
		give    model.Role
		want    fault.Kind // Internal: allowed
	}{
		{model.Standalone, model.RoleAdmin, model.RoleAdmin, fault.Internal},
		{model.Standalone, model.RoleFedAdmin, model.RoleFedAdmin, fault.Denied},
		{model.Managed, model.RoleFedAdmin, model.RoleFedReader, fault.Denied},
		{model.Primary, model.RoleAdmin, model.RoleFedAdmin, fault.Denied},
		{model.Primary, model.RoleAdmin, model.RoleFedReader, fault.Denied},
		{model.Primary, model.RoleAdmin, model.RoleCIOps, fault.Internal},
		{model.Primary, model.RoleFedAdmin, model.RoleFedAdmin, fault.Internal},
		{model.Primary, model.RoleFedAdmin, model.RoleFedReader, fault.Internal},
		{model.Primary, model.RoleFedAdmin, "root", fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(string(tt.cluster)+"/"+string(tt.actor)+"/"+string(tt.give), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.role = tt.cluster
			actor := local("x", tt.actor)
			_, err := h.AddAccount(t.Context(), actor, model.Account{Username: "new", Role: tt.give}, "a password")
			_, _, keyErr := h.AddKey(t.Context(), actor, model.APIKey{Name: "new", Role: tt.give})
			for _, err := range []error{err, keyErr} {
				if tt.want == fault.Internal && err != nil || tt.want != fault.Internal && (err == nil || fault.KindOf(err) != tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
			}
		})
	}
}

func TestRemovingAccounts(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.role = model.Primary
	h.account(t, "admin", model.RoleAdmin)
	h.account(t, "fed", model.RoleFedAdmin)
	fed, admin := local("fed", model.RoleFedAdmin), local("admin", model.RoleAdmin)
	wantKind(t, "a federated account by a local admin", h.RemoveAccount(ctx, admin, "fed"), fault.Denied)
	wantKind(t, "the last federated admin of a primary", h.RemoveAccount(ctx, fed, "fed"), fault.Conflict)
	if err := h.RemoveAccount(ctx, fed, "admin"); err != nil {
		t.Errorf("the last local admin beside a federated one: %v", err)
	}
	if err := h.store.SetRole(ctx, "fed", model.RoleAdmin); err != nil { // as the end of the federation does
		t.Fatal(err)
	}
	h.role = model.Standalone
	wantKind(t, "the last admin", h.RemoveAccount(ctx, local("fed", model.RoleAdmin), "fed"), fault.Conflict)
	wantKind(t, "nobody", h.RemoveAccount(ctx, admin, "nobody"), fault.NotFound)
	accounts, err := h.Accounts(ctx)
	if err != nil || len(accounts) != 1 || accounts[0].Role != model.RoleAdmin {
		t.Errorf("accounts %v, %v", accounts, err)
	}
}

func TestBadNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, name := range []string{"", ".", "-a", "a b", "a:b", "a/b", "ä", strings.Repeat("a", 65), "a\x00"} {
		_, err := h.AddAccount(t.Context(), model.System(), model.Account{Username: name, Role: model.RoleReader}, "a password")
		wantKind(t, name, err, fault.Invalid)
		_, _, err = h.AddKey(t.Context(), model.System(), model.APIKey{Name: name, Role: model.RoleReader})
		wantKind(t, name, err, fault.Invalid)
	}
}

func TestHashesFollowTheCost(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.account(t, "amy", model.RoleReader)
	_, before, _ := h.store.Account(ctx, "amy")
	h.mustLogin(t, "amy", password("amy"))
	if _, same, _ := h.store.Account(ctx, "amy"); same != before {
		t.Error("a login at the same cost changes the hash")
	}
	h.restart(t, identity.Cost{MemoryKiB: 16, Passes: 2, Lanes: 1})
	h.mustLogin(t, "amy", password("amy"))
	_, after, _ := h.store.Account(ctx, "amy")
	if !strings.HasPrefix(after, "$argon2id$v=19$m=16,t=2,p=1$") {
		t.Errorf("hash %q", after)
	}
	h.mustLogin(t, "amy", password("amy"))
}

func TestEveryDeedIsAudited(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.account(t, "amy", model.RoleAdmin)
	amy := local("amy", model.RoleAdmin)
	s := h.mustLogin(t, "amy", password("amy"))
	_, _ = h.login(t, "amy", "wrong password")
	_, _, _ = h.AddKey(ctx, amy, model.APIKey{Name: "k", Role: model.RoleCIOps})
	_ = h.RemoveKey(ctx, amy, "k")
	_ = h.Logout(ctx, s.Token)
	_ = h.RemoveAccount(ctx, amy, "amy")
	events, _, err := h.store.AuditEvents(ctx, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, strings.Join([]string{e.Actor, e.Action, e.Target, e.Outcome}, "|"))
	}
	want := []string{
		`amy|account.remove|amy|identity: remove account: "amy" is the last administrator`,
		"amy|logout||ok",
		"amy|apikey.remove|k|ok",
		"amy|apikey.add|k|ok",
		"amy|login|10.0.0.1|identity: unknown user or wrong password",
		"amy|login|10.0.0.1|ok",
		"muster|account.add|amy|ok",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
