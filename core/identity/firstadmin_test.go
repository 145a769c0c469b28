package identity_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/fault"
)

func TestFirstAdministrator(t *testing.T) {
	t.Parallel()
	t.Run("generated", func(t *testing.T) {
		t.Parallel()
		h, ctx := newHouse(t), t.Context()
		file, err := h.EnsureAdmin(ctx, "")
		if err != nil || file != filepath.Join(h.dir, "initial-admin-password") {
			t.Fatalf("%q, %v", file, err)
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		initial := strings.TrimSpace(string(body))
		session := h.mustLogin(t, "admin", initial)
		if again, err := h.EnsureAdmin(ctx, ""); again != "" || err != nil {
			t.Errorf("a second start: %q, %v", again, err)
		}
		if err := h.SetPassword(ctx, session.Actor, "admin", initial, "new password"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file stays after the change: %v", err)
		}
		events, _, err := h.store.AuditEvents(ctx, "", 100)
		for _, e := range events {
			if strings.Contains(e.Outcome+e.Target, initial) {
				t.Error("the audit trail shows the password")
			}
		}
		if len(events) != 3 || err != nil {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
	t.Run("given", func(t *testing.T) {
		t.Parallel()
		h, ctx := newHouse(t), t.Context()
		given := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(given, []byte("given password\r\nsecond line\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if file, err := h.EnsureAdmin(ctx, given); file != "" || err != nil {
			t.Fatalf("%q, %v", file, err)
		}
		h.mustLogin(t, "admin", "given password")
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		h, ctx := newHouse(t), t.Context()
		empty := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(empty, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := h.EnsureAdmin(ctx, empty)
		wantKind(t, "an empty file", err, fault.Invalid)
		_, err = h.EnsureAdmin(ctx, empty+"x")
		wantKind(t, "no file", err, fault.Invalid)
		if accounts, _ := h.Accounts(ctx); len(accounts) > 0 {
			t.Errorf("accounts %v", accounts)
		}
	})
}
