package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
)

func TestFederatedRolesEndWithTheFederation(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	enter(t, s, model.Primary)
	want := map[string]model.Role{}
	for from, to := range map[model.Role]model.Role{
		model.RoleFedAdmin: model.RoleAdmin, model.RoleFedReader: model.RoleReader,
		model.RoleAdmin: model.RoleAdmin, model.RoleReader: model.RoleReader, model.RoleCIOps: model.RoleCIOps,
	} {
		account, key := "account "+string(from), "key "+string(from)
		addAccount(t, s, account, from)
		if err := s.AddAPIKey(ctx, model.APIKey{Name: key, Role: from}, "hash of "+key); err != nil {
			t.Fatal(err)
		}
		want[account], want[key] = to, to
	}
	if err := s.LeaveFederation(ctx); err != nil {
		t.Fatal(err)
	}
	accounts, err := s.Accounts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.APIKeys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]model.Role{}
	for _, a := range accounts {
		got[a.Username] = a.Role
	}
	for _, k := range keys {
		got[k.Name] = k.Role
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
}
