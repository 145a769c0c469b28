package identity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/identity"
	"github.com/muster-sec/muster/core/model"
)

func TestLoginGivesASessionThatKnowsItsAccount(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.account(t, "amy", model.RoleReader)
	session := h.mustLogin(t, "amy", password("amy"))
	if want := h.now().Add(6 * time.Hour); !session.ExpiresAt.Equal(want) || session.Actor != local("amy", model.RoleReader) {
		t.Errorf("session %+v", session)
	}
	if err := h.store.SetRole(ctx, "amy", model.RoleFedAdmin); err != nil { // as the start of a federation does
		t.Fatal(err)
	}
	h.restart(t, cheap()) // sessions outlive the daemon
	actor, err := h.Authenticate(ctx, session.Token)
	if err != nil || actor != local("amy", model.RoleFedAdmin) {
		t.Errorf("actor %+v, %v: want the role of now", actor, err)
	}
	if err := h.Logout(ctx, session.Token); err != nil {
		t.Error(err)
	}
	if err := h.Logout(ctx, session.Token); err != nil {
		t.Errorf("a second logout: %v", err)
	}
	_, err = h.Authenticate(ctx, session.Token)
	wantKind(t, "after logout", err, fault.Unauthenticated)
}

func TestUnknownUserAndWrongPasswordLookTheSame(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.account(t, "amy", model.RoleAdmin)
	_, wrong := h.login(t, "amy", "wrong password")
	_, unknown := h.login(t, "nobody", "wrong password")
	_, badName := h.login(t, "../etc", "wrong password")
	_, long := h.login(t, "amy", strings.Repeat("x", 1<<16))
	for _, err := range []error{wrong, unknown, badName, long} {
		wantKind(t, "login", err, fault.Unauthenticated)
		if err != nil && err.Error() != wrong.Error() {
			t.Errorf("%q tells more than %q", err, wrong)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.account(t, "amy", model.RoleAdmin)
	idle := h.mustLogin(t, "amy", password("amy"))
	busy := h.mustLogin(t, "amy", password("amy"))
	for range 17 { // 5 h 40 min
		h.advance(20 * time.Minute)
		if _, err := h.Authenticate(ctx, busy.Token); err != nil {
			t.Fatalf("busy session at %v: %v", h.now(), err)
		}
	}
	_, err := h.Authenticate(ctx, idle.Token)
	wantKind(t, "idle for 30 minutes", err, fault.Unauthenticated)
	h.advance(20*time.Minute + time.Second)
	_, err = h.Authenticate(ctx, busy.Token)
	wantKind(t, "older than 6 hours", err, fault.Unauthenticated)
	if _, _, _, err := h.store.Session(ctx, "x"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	_, err = h.Authenticate(ctx, "forged")
	wantKind(t, "forged", err, fault.Unauthenticated)
}

func TestTheOldestSessionMakesRoom(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.account(t, "amy", model.RoleAdmin)
	var tokens []string
	for range 17 {
		tokens = append(tokens, h.mustLogin(t, "amy", password("amy")).Token)
		h.advance(time.Second)
	}
	_, err := h.Authenticate(ctx, tokens[0])
	wantKind(t, "the first of 17", err, fault.Unauthenticated)
	for i, token := range tokens[1:] {
		if _, err := h.Authenticate(ctx, token); err != nil {
			t.Errorf("session %d: %v", i+1, err)
		}
	}
}

func TestFailedLoginsAreThrottledPerUserAndSource(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	h.account(t, "amy", model.RoleAdmin)
	for range 5 {
		_, err := h.login(t, "amy", "wrong password")
		wantKind(t, "wrong", err, fault.Unauthenticated)
	}
	_, err := h.login(t, "amy", password("amy"))
	if !errors.Is(err, identity.ErrBlocked) || !strings.Contains(fault.HintOf(err), "try again in 5s") {
		t.Errorf("the sixth attempt: %v, hint %q", err, fault.HintOf(err))
	}
	if _, err := h.Login(ctx, identity.Credentials{Username: "amy", Password: password("amy"), Source: "10.0.0.2"}); err != nil {
		t.Errorf("an attacker locks the user out elsewhere: %v", err)
	}
	h.advance(5 * time.Second)
	_, err = h.login(t, "amy", "wrong password")
	wantKind(t, "after the block", err, fault.Unauthenticated)
	h.advance(5 * time.Second)
	if _, err = h.login(t, "amy", password("amy")); !errors.Is(err, identity.ErrBlocked) {
		t.Errorf("the block does not grow: %v", err)
	}
	h.advance(5 * time.Second)
	h.mustLogin(t, "amy", password("amy"))
	if _, err := h.login(t, "amy", "wrong password"); errors.Is(err, identity.ErrBlocked) {
		t.Error("success does not forgive")
	}
}
