package v1_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/muster-sec/muster/core/httpapi/api"
	v1 "github.com/muster-sec/muster/core/httpapi/v1"
	"github.com/muster-sec/muster/core/identity"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/store"
)

// TestSessionFromLoginToLogout runs the real identity service and store behind
// the API.
func TestSessionFromLoginToLogout(t *testing.T) {
	t.Parallel()
	s := serveAPI(t, realIdentity(t))
	login := func(password string) (int, []byte) {
		status, _, body := s.ask(t, question{method: "POST", path: "/login", body: fmt.Sprintf(`{"username":"admin","password":%q}`, password)})
		return status, body
	}
	ask := func(token, method, path, body string, want int) []byte {
		t.Helper()
		status, _, answer := s.ask(t, question{method: method, path: path, body: body, token: token})
		if status != want {
			t.Errorf("%s %s: %d, want %d: %s", method, path, status, want, answer)
		}
		return answer
	}
	status, body := login("first password")
	if status != 200 {
		t.Fatalf("login: %d %s", status, body)
	}
	token := decode[api.LoginResponse](t, body).Token
	if who := decode[api.Status](t, ask(token, "GET", "/status", "", 200)); who.Username != "admin" || who.UserRole != "admin" {
		t.Errorf("status %+v", who)
	}
	ask(token, "POST", "/accounts", `{"username":"amy","role":"reader","password":"a password"}`, 201)
	ask(token, "POST", "/accounts", `{"username":"amy","role":"reader","password":"a password"}`, 409)
	ask(token, "POST", "/accounts", `{"username":"fed","role":"fedAdmin","password":"a password"}`, 403)
	ask(token, "DELETE", "/accounts/admin", "", 409)
	ask(token, "PUT", "/accounts/admin/password", `{"current":"wrong one","new":"next password"}`, 403)
	ask(token, "PUT", "/accounts/admin/password", `{"current":"first password","new":"next password"}`, 204)
	ask(token, "GET", "/status", "", 401)
	_, body = login("next password")
	token = decode[api.LoginResponse](t, body).Token
	ask(token, "POST", "/logout", "", 204)
	ask(token, "GET", "/status", "", 401)
	for range 5 {
		if status, _ := login("wrong password"); status != 401 {
			t.Errorf("a wrong password: %d", status)
		}
	}
	status, body = login("next password")
	if e := decode[api.Error](t, body); status != 403 || e.Code != 47 || e.Hint == "" {
		t.Errorf("the sixth attempt: %d %+v", status, e)
	}
}

func realIdentity(t *testing.T) *v1.API {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(context.Background(), store.Options{Path: filepath.Join(dir, "muster.db"), Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	h := newHouse()
	h.role = model.Standalone
	id, err := identity.New(identity.Options{
		Accounts: st, Sessions: st, Keys: st, Audit: st, Memberships: h, DataDir: dir, Now: noon,
		Cost: identity.Cost{MemoryKiB: 8, Passes: 1, Lanes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	admin := model.Account{Username: "admin", Role: model.RoleAdmin}
	if _, err := id.AddAccount(t.Context(), model.System(), admin, "first password"); err != nil {
		t.Fatal(err)
	}
	o := options(h)
	o.Auth, o.Sessions, o.Accounts, o.APIKeys, o.Audit = id, id, id, id, st
	a, err := v1.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
