package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	h, ctx := newHouse(t), t.Context()
	admin := local("admin", model.RoleAdmin)
	added, text, err := h.AddKey(ctx, admin, model.APIKey{Name: "ci", Role: model.RoleCIOps, CreatedBy: "forged", ExpiresAt: h.now().Add(time.Hour)})
	if err != nil || added.CreatedBy != "admin" || !strings.HasPrefix(text, "ci:") {
		t.Fatalf("%+v, %v", added, err)
	}
	actor, err := h.AuthenticateKey(ctx, text)
	if want := (model.Actor{Name: "ci", Role: model.RoleCIOps, Source: model.AccountAPIKey}); err != nil || actor != want {
		t.Errorf("actor %+v, %v", actor, err)
	}
	for _, bad := range []string{"", "ci", "ci:", text + "x", "other" + strings.TrimPrefix(text, "ci"), ":" + text} {
		_, err := h.AuthenticateKey(ctx, bad)
		wantKind(t, bad, err, fault.Unauthenticated)
	}
	h.advance(time.Hour)
	_, err = h.AuthenticateKey(ctx, text)
	wantKind(t, "expired", err, fault.Unauthenticated)
	_, _, err = h.AddKey(ctx, admin, model.APIKey{Name: "past", Role: model.RoleCIOps, ExpiresAt: h.now()})
	wantKind(t, "ends in the past", err, fault.Invalid)
	_, again, err := h.AddKey(ctx, admin, model.APIKey{Name: "ci2", Role: model.RoleCIOps})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.RemoveKey(ctx, admin, "ci2"); err != nil {
		t.Error(err)
	}
	_, err = h.AuthenticateKey(ctx, again)
	wantKind(t, "removed", err, fault.Unauthenticated)
	keys, err := h.Keys(ctx)
	if diff := cmp.Diff([]model.APIKey{added}, keys); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
