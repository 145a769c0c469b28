package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("error %v, want %v", err, kind)
	}
}

func addAccount(t *testing.T, s *Store, name string, role model.Role) model.Account {
	t.Helper()
	a := model.Account{Username: name, Role: role, CreatedAt: noon()}
	if err := s.AddAccount(t.Context(), a, "hash of "+name); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAccountsComeAndGo(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	bob, amy := addAccount(t, s, "bob", model.RoleReader), addAccount(t, s, "amy", model.RoleAdmin)
	wantKind(t, s.AddAccount(ctx, model.Account{Username: "amy"}, "x"), fault.Conflict)
	got, err := s.Accounts(ctx)
	if diff := cmp.Diff([]model.Account{amy, bob}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := s.SetRole(ctx, "bob", model.RoleFedAdmin); err != nil {
		t.Error(err)
	}
	if err := s.SetPasswordHash(ctx, "bob", "new"); err != nil {
		t.Error(err)
	}
	a, hash, err := s.Account(ctx, "bob")
	if err != nil || a.Role != model.RoleFedAdmin || hash != "new" {
		t.Errorf("%+v, %q, %v", a, hash, err)
	}
	_, _, err = s.Account(ctx, "nobody")
	wantKind(t, err, fault.NotFound)
	wantKind(t, s.SetRole(ctx, "nobody", model.RoleAdmin), fault.NotFound)
	wantKind(t, s.SetPasswordHash(ctx, "nobody", ""), fault.NotFound)
	wantKind(t, s.RemoveAccount(ctx, "nobody", nil), fault.NotFound)
}

// TestLastAdministratorStays removes all administrators at once; one survives.
func TestLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	addAccount(t, s, "reader", model.RoleReader)
	var wg sync.WaitGroup
	errs := make([]error, 5)
	for i := range errs {
		role := model.RoleAdmin
		if i%2 == 1 {
			role = model.RoleFedAdmin
		}
		addAccount(t, s, fmt.Sprint("admin", i), role)
	}
	guarded := []model.Role{model.RoleAdmin, model.RoleFedAdmin}
	for i := range errs {
		wg.Go(func() { errs[i] = s.RemoveAccount(ctx, fmt.Sprint("admin", i), guarded) })
	}
	wg.Wait()
	refused := 0
	for _, err := range errs {
		if err != nil {
			wantKind(t, err, fault.Conflict)
			refused++
		}
	}
	if left, _ := s.Accounts(ctx); refused != 1 || len(left) != 2 {
		t.Errorf("%d refused, left %v", refused, left)
	}
	if err := s.RemoveAccount(ctx, "reader", guarded); err != nil {
		t.Errorf("removing a reader: %v", err)
	}
}

func TestSessionsEndWithTheirAccountPasswordAndCap(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	addAccount(t, s, "amy", model.RoleAdmin)
	addAccount(t, s, "bob", model.RoleReader)
	begin := func(user, token string, after time.Duration) {
		t.Helper()
		if err := s.BeginSession(ctx, user, token, noon().Add(after), 2); err != nil {
			t.Fatal(err)
		}
	}
	alive := func(tokens ...string) {
		t.Helper()
		for _, token := range []string{"a1", "a2", "a3", "b1"} {
			_, _, _, err := s.Session(ctx, token)
			want := fault.NotFound
			for _, ok := range tokens {
				if ok == token {
					want = fault.Internal
				}
			}
			if (err == nil) != (want == fault.Internal) || err != nil && fault.KindOf(err) != fault.NotFound {
				t.Errorf("session %s: %v", token, err)
			}
		}
	}
	begin("amy", "a1", 0)
	begin("bob", "b1", 0)
	begin("amy", "a2", time.Second)
	alive("a1", "a2", "b1")
	begin("amy", "a3", -time.Hour) // the clock went back: the new session still stays
	alive("a2", "a3", "b1")
	if err := s.TouchSession(ctx, "b1", noon().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	a, created, seen, err := s.Session(ctx, "b1")
	if err != nil || a.Username != "bob" || a.Role != model.RoleReader || !created.Equal(noon()) || !seen.Equal(noon().Add(time.Minute)) {
		t.Errorf("%+v %v %v %v", a, created, seen, err)
	}
	if err := s.EndSession(ctx, "a3"); err != nil {
		t.Error(err)
	}
	alive("a2", "b1")
	if err := s.SetPasswordHash(ctx, "amy", "new"); err != nil {
		t.Error(err)
	}
	alive("b1")
	if err := s.RemoveAccount(ctx, "bob", nil); err != nil {
		t.Error(err)
	}
	alive()
	wantKind(t, s.BeginSession(ctx, "nobody", "n", noon(), 2), fault.NotFound)
}

func TestAPIKeysComeAndGo(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	key := model.APIKey{Name: "ci", Role: model.RoleCIOps, CreatedBy: "amy", CreatedAt: noon(), ExpiresAt: noon().Add(time.Hour)}
	if err := s.AddAPIKey(ctx, key, "hash"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.AddAPIKey(ctx, key, "other"), fault.Conflict)
	got, hash, err := s.APIKey(ctx, "ci")
	if diff := cmp.Diff(key, got); diff != "" || hash != "hash" || err != nil {
		t.Errorf("%q %v (-want +got):\n%s", hash, err, diff)
	}
	if keys, err := s.APIKeys(ctx); err != nil || !cmp.Equal(keys, []model.APIKey{key}) {
		t.Errorf("%v, %v", keys, err)
	}
	if err := s.RemoveAPIKey(ctx, "ci"); err != nil {
		t.Error(err)
	}
	_, _, err = s.APIKey(ctx, "ci")
	wantKind(t, err, fault.NotFound)
	wantKind(t, s.RemoveAPIKey(ctx, "ci"), fault.NotFound)
}

func TestAuditPagesNewestFirst(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	var want []model.AuditEvent
	for i := range 7 {
		e := model.AuditEvent{Time: noon().Add(time.Duration(i) * time.Minute), Actor: "amy", Action: "rule.add", Target: fmt.Sprint(i), Outcome: "ok"}
		want = append([]model.AuditEvent{e}, want...)
		if err := s.Audit(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	pages := func() (all []model.AuditEvent) {
		t.Helper()
		for cursor, n := "", 0; n < 10; n++ {
			events, next, err := s.AuditEvents(ctx, cursor, 3)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, events...)
			if next == "" {
				return all
			}
			cursor = next
		}
		t.Fatal("the pages do not end")
		return nil
	}
	if diff := cmp.Diff(want, pages()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.TrimAudit(ctx, noon().Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[:2], pages()); diff != "" {
		t.Errorf("trimmed (-want +got):\n%s", diff)
	}
	if err := s.Audit(ctx, model.AuditEvent{Action: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := pages()[0]; got.Time.IsZero() {
		t.Error("an event without a time")
	}
	_, _, err := s.AuditEvents(ctx, "x", 3)
	wantKind(t, err, fault.Invalid)
}
