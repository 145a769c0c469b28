package federation_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

func TestAFederationLives(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	home.addRule("early")
	west.join(home)

	west.eventuallyRules("early")
	home.addRule("late")
	west.eventuallyRules("early late")
	home.eventually("west is synced", func() bool { return home.see("west").Status == model.StatusSynced })
	seen := home.see("west")
	if seen.Head == 0 || seen.Applied != seen.Head || seen.Version != "1.0.0" || seen.LastSeen.Before(seen.JoinedAt) {
		t.Errorf("west as home sees it: %+v", seen)
	}
	home.eventually("west's summary arrives", func() bool { return home.see("west").Summary.Rules == 2 })
	if p := west.see("home"); p.Status != model.StatusConnected || p.Role != model.Primary || p.Address != fedAddress {
		t.Errorf("home as west sees it: %+v", p)
	}
	if m := west.see("west"); m.Status != model.StatusSynced || m.Applied != m.Head || m.ID != seen.ID {
		t.Errorf("west as it sees itself: %+v", m)
	}
	west.mu.Lock()
	if !slices.Contains(west.applied, feed.KindRule) {
		t.Errorf("nobody was told of the rules: %v", west.applied)
	}
	west.mu.Unlock()

	if err := west.Leave(t.Context(), admin(), false); err != nil {
		t.Fatal(err)
	}
	if west.role() != model.Standalone || west.rules() != "" || home.see("west").ID != "" {
		t.Errorf("after leaving: role %s, rules %q, at home %+v", west.role(), west.rules(), home.see("west"))
	}
	home.addRule("later still")
	west.join(home)
	west.eventuallyRules("early late later still")
}

func TestSettingsTravel(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	if err := home.SetSettings(t.Context(), admin(), model.FedSettings{SyncCIResults: true}); err != nil {
		t.Fatal(err)
	}
	west.eventually("the setting arrives", func() bool {
		s, err := west.Settings(t.Context())
		return err == nil && s.SyncCIResults
	})
	wantFault(t, west.SetSettings(t.Context(), admin(), model.FedSettings{}), fault.Conflict)
	if err := west.Leave(t.Context(), admin(), false); err != nil {
		t.Fatal(err)
	}
	s, err := west.Settings(t.Context())
	if diff := cmp.Diff(model.FedSettings{}, s); diff != "" || err != nil {
		t.Errorf("settings left: %v %s", err, diff)
	}
}

func TestBothSidesResumeAfterAKill(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	home.addRule("1")
	west.eventuallyRules("1")

	west.kill()
	home.addRule("2")
	west.open()
	west.start()
	west.eventuallyRules("1 2")

	for i := range 200 {
		home.addRule(string(rune('a' + i%26)))
		if i == 50 {
			west.restart()
		}
		if i == 100 {
			home.restart()
		}
	}
	west.eventually("all rules", func() bool { return west.rules() == home.rules() })

	home.kill()
	if got := west.rules(); got == "" {
		t.Error("a member without its primary has no rules")
	}
	west.restart()
	home.open()
	home.start()
	home.addRule("3")
	west.eventually("all rules", func() bool { return west.rules() == home.rules() })
}

func TestANetworkThatComesAndGoes(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	home.eventually("west is synced", func() bool { return home.see("west").Status == model.StatusSynced })
	for range 5 {
		n.cut(true)
		home.addRule("x")
		home.eventually("west is missed", func() bool { return home.see("west").Status == model.StatusDisconnected })
		west.eventually("home is missed", func() bool { return west.see("home").Status == model.StatusDisconnected })
		if home.see("west").Reason == "" || west.see("home").Reason == "" {
			t.Error("nobody says why")
		}
		n.cut(false)
		west.eventually("all rules", func() bool { return west.rules() == home.rules() })
	}
}

func TestARemovedMemberCleansUp(t *testing.T) {
	t.Parallel()
	for _, away := range []bool{false, true} {
		t.Run(map[bool]string{false: "connected", true: "away"}[away], func(t *testing.T) {
			t.Parallel()
			n := newNetwork()
			home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
			home.promote()
			home.addRule("x")
			west.join(home)
			west.eventuallyRules("x")
			id := home.see("west").ID
			if away {
				n.cut(true)
				home.eventually("west is gone", func() bool { return home.see("west").Status == model.StatusDisconnected })
			}
			if err := home.RemoveCluster(t.Context(), admin(), id); err != nil {
				t.Fatal(err)
			}
			if away {
				if west.rules() != "x" || west.role() != model.Managed {
					t.Error("a member that does not know yet has lost its state")
				}
				home.restart()
				n.cut(false)
			}
			west.eventually("west is standalone", func() bool { return west.role() == model.Standalone })
			west.eventually("the audit says so", func() bool { return len(west.staff.outcomes("federation.removed")) == 1 })
			if west.rules() != "" {
				t.Errorf("rules left: %q", west.rules())
			}
			wantFault(t, home.RemoveCluster(t.Context(), admin(), id), fault.NotFound)
			west.join(home)
			west.eventuallyRules("x")
		})
	}
}

func TestDemotingEndsTheFederation(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west, far := newCluster(t, n, "home"), newCluster(t, n, "west"), newCluster(t, n, "far")
	home.promote()
	if amy, _, err := home.store.Account(t.Context(), "amy"); err != nil || amy.Role != model.RoleFedAdmin {
		t.Errorf("who promoted is %+v, %v: want a federated administrator", amy, err)
	}
	home.addRule("x")
	west.join(home)
	far.join(home)
	west.eventuallyRules("x")
	far.eventuallyRules("x")
	far.kill()
	home.eventually("west alone is connected", func() bool {
		return home.see("west").Status == model.StatusSynced && home.see("far").Status == model.StatusDisconnected
	})

	if err := home.Demote(t.Context(), admin()); err != nil {
		t.Fatal(err)
	}
	if home.role() != model.Standalone || home.rules() != "" {
		t.Errorf("role %s, rules %q", home.role(), home.rules())
	}
	home.mu.Lock()
	if home.renewed != 1 {
		t.Errorf("told %d times that the rules are gone, want once", home.renewed)
	}
	home.mu.Unlock()
	if _, err := home.Tokens(t.Context()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("tokens after the end: %v", err)
	}
	west.eventually("west is standalone", func() bool { return west.role() == model.Standalone && west.rules() == "" })

	far.notify = 50 * time.Millisecond // in vain
	far.open()
	far.start()
	far.eventually("far says why it is alone", func() bool { return far.see("home").Reason != "" })
	if far.rules() != "x" {
		t.Error("far has lost its state without a word from its primary")
	}
	wantFault(t, far.Leave(t.Context(), admin(), false), fault.Unavailable)
	if err := far.Leave(t.Context(), admin(), true); err != nil {
		t.Fatal(err)
	}
	if far.role() != model.Standalone || far.rules() != "" {
		t.Errorf("after leaving by force: role %s, rules %q", far.role(), far.rules())
	}

	home.promote()
	west.join(home)
	home.addRule("y")
	west.eventuallyRules("y")
}

func TestResultsTravel(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	if err := home.store.AddRegistry(t.Context(), model.Registry{Name: "fed.prod", Type: "oci", URL: "https://registry.test"}); err != nil {
		t.Fatal(err)
	}
	west.join(home)
	for i := range 3 {
		scan := benchScan(i)
		if i == 2 {
			scan.Job.Registry = "own"
		}
		if err := home.store.SaveScan(t.Context(), scan); err != nil {
			t.Fatal(err)
		}
	}
	west.eventually("the verdicts of federated images arrive", func() bool { return west.verdicts() == 2 })
	home.eventually("west is synced", func() bool { return home.see("west").Status == model.StatusSynced })
	for i := range 2 {
		scan := benchScan(i)
		for hash, want := range scan.Sets {
			got, err := west.store.PackageSet(t.Context(), hash)
			if err != nil || string(got) != string(want) {
				t.Errorf("package set %s: %v", hash, err)
			}
		}
	}
	registries, err := west.store.Registries(t.Context())
	if err != nil || len(registries) != 1 || registries[0].Name != "fed.prod" {
		t.Errorf("registries %+v, %v", registries, err)
	}
	if err := home.store.RemoveRegistry(t.Context(), "fed.prod"); err != nil {
		t.Fatal(err)
	}
	west.eventually("the registry goes", func() bool {
		registries, err := west.store.Registries(t.Context())
		return err == nil && len(registries) == 0
	})
	if west.verdicts() > 2 {
		t.Error("the scan of a registry that is home's own has travelled")
	}
}

func TestKeysAreStoredSealed(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	for name, c := range map[string]*cluster{"authority": home, "credential": west} {
		sealed, err := c.store.FedSecret(t.Context(), name)
		if err != nil || json.Valid(sealed) {
			t.Errorf("%s of %s: readable %v, error %v", name, c.name, json.Valid(sealed), err)
		}
		if plain, err := (flipper{}).Open(sealed); err != nil || !json.Valid(plain) {
			t.Errorf("%s of %s does not open: %v", name, c.name, err)
		}
	}
}

func TestRolesAreTakenInTurns(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, other := newCluster(t, n, "home"), newCluster(t, n, "other")
	home.promote()
	token, _, err := home.CreateToken(t.Context(), admin(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make(chan error, 8)
	for i := range cap(outcomes) {
		go func() {
			if i%2 == 0 {
				outcomes <- other.Join(t.Context(), admin(), token, "")
				return
			}
			outcomes <- other.Promote(t.Context(), admin(), "other", "other.test:11443")
		}()
	}
	won := 0
	for range cap(outcomes) {
		if err := <-outcomes; err == nil {
			won++
		} else {
			wantFault(t, err, fault.Conflict)
		}
	}
	if won != 1 || other.role() == model.Standalone {
		t.Errorf("%d of %d took a role, which is %s", won, cap(outcomes), other.role())
	}
}
