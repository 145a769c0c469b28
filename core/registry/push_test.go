package registry_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestPushesStartARun(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body, signature string
		key             func(good string) string
		kind            fault.Kind // -1: taken
		starts          bool
	}{
		"selected":          {"shop/web:1", "", nil, -1, true},
		"among others":      {"base:1 shop/web:1", "", nil, -1, true},
		"not selected":      {"base:1", "", nil, -1, false},
		"something else":    {"", "", nil, -1, false},
		"wrong signature":   {"shop/web:1", "wrong", nil, fault.Denied, false},
		"wrong key":         {"shop/web:1", "", func(good string) string { return good[1:] + "A" }, fault.NotFound, false},
		"no key":            {"shop/web:1", "", func(string) string { return "" }, fault.NotFound, false},
		"a beginning of it": {"shop/web:1", "", func(good string) string { return good[:10] }, fault.NotFound, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newSleeper()
			h := open(t, options{now: clock.now})
			h.add(t, model.Registry{Name: "shop", Filters: []string{"shop/*"}})
			key, err := h.NewPushKey(t.Context(), model.System(), "shop")
			if err != nil || len(key) < 40 {
				t.Fatalf("key %q, %v", key, err)
			}
			if test.key != nil {
				key = test.key(key)
			}
			event := model.PushEvent{Body: []byte(test.body), Headers: map[string]string{"Signature": test.signature}}
			err = h.Push(t.Context(), "shop", key, event)
			if test.kind < 0 && err != nil || test.kind >= 0 && fault.KindOf(err) != test.kind {
				t.Errorf("%v (%s)", err, fault.KindOf(err))
			}
			h.StartPushed(t.Context())
			if st, err := h.Get(t.Context(), "shop"); err != nil || st.LastRun != nil {
				t.Errorf("a run begins before further pushes can come: %+v, %v", st.LastRun, err)
			}
			if err := clock.sleep(t.Context(), 10*time.Second); err != nil {
				t.Fatal(err)
			}
			h.StartPushed(t.Context())
			st, err := h.Get(t.Context(), "shop")
			if err != nil || (st.LastRun != nil) != test.starts || test.starts && st.LastRun.Trigger != model.TriggerPush {
				t.Errorf("run %+v, %v", st.LastRun, err)
			}
		})
	}
}

// A hundred pushes are one run, one more for what comes while it is under way,
// and no more than one in a minute.
func TestPushesAreGathered(t *testing.T) {
	t.Parallel()
	clock := newSleeper()
	h := open(t, options{now: clock.now})
	h.add(t, model.Registry{Name: "shop"})
	h.lister.set("a", "1", "one")
	key, err := h.NewPushKey(t.Context(), model.System(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	push := func() {
		t.Helper()
		for range 100 {
			if err := h.Push(t.Context(), "shop", key, model.PushEvent{Body: []byte("a:1")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	runs := func(after time.Duration) int64 {
		t.Helper()
		if err := clock.sleep(t.Context(), after); err != nil {
			t.Fatal(err)
		}
		h.StartPushed(t.Context())
		st, err := h.Get(t.Context(), "shop")
		if err != nil || st.LastRun == nil {
			t.Fatalf("%+v, %v", st, err)
		}
		return st.LastRun.ID
	}
	push()
	first := runs(10 * time.Second)
	push()
	if n := runs(2 * time.Minute); n != first {
		t.Errorf("run %d beside run %d", n, first)
	}
	if err := h.store.EndListing(t.Context(), first, model.ListingEnd{}); err != nil {
		t.Fatal(err)
	}
	second := runs(10 * time.Second)
	if second != first+1 {
		t.Errorf("after run %d there is run %d: what came meanwhile is lost", first, second)
	}
	if err := h.store.EndListing(t.Context(), second, model.ListingEnd{}); err != nil {
		t.Fatal(err)
	}
	push()
	if n := runs(20 * time.Second); n != second {
		t.Error("two runs within a minute")
	}
	if n := runs(time.Minute); n != second+1 {
		t.Error("a push is forgotten")
	}
}

func TestPushKeys(t *testing.T) {
	t.Parallel()
	h := open(t, options{membership: model.Membership{Role: model.Primary}})
	h.add(t, model.Registry{Name: "fed.shop", Password: "p"})
	h.add(t, model.Registry{Name: "without"})
	event := model.PushEvent{Body: []byte("a:1")}
	for _, name := range []string{"without", "nobody"} {
		if err := h.Push(t.Context(), name, "", event); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s listens to anybody: %v", name, err)
		}
	}
	if _, err := h.NewPushKey(t.Context(), model.Actor{Name: "amy", Role: model.RoleAdmin}, "fed.shop"); fault.KindOf(err) != fault.Denied {
		t.Errorf("an administrator of this cluster: %v", err)
	}
	old, err := h.NewPushKey(t.Context(), model.System(), "fed.shop")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := os.ReadFile(h.path + "-wal"); err != nil || bytes.Contains(body, []byte(old)) {
		t.Errorf("the database shows the key, or %v", err)
	}
	// It outlives a change of the settings, and not a new one.
	change := model.Registry{Name: "fed.shop", Type: "oci", URL: "https://registry.example", Filters: []string{"*"}}
	if err := h.Update(t.Context(), model.System(), change); err != nil {
		t.Fatal(err)
	}
	if err := h.Push(t.Context(), "fed.shop", old, event); err != nil {
		t.Errorf("after a change: %v", err)
	}
	key, err := h.NewPushKey(t.Context(), model.System(), "fed.shop")
	if err != nil || key == old {
		t.Fatalf("the same key twice, or %v", err)
	}
	if err := h.Push(t.Context(), "fed.shop", old, event); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the old key is good: %v", err)
	}
	if err := h.RemovePushKey(t.Context(), model.System(), "fed.shop"); err != nil {
		t.Fatal(err)
	}
	if err := h.Push(t.Context(), "fed.shop", key, event); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a removed key is good: %v", err)
	}
	if st, err := h.Get(t.Context(), "fed.shop"); err != nil || st.Password.Reveal() != "p" {
		t.Errorf("the credentials did not outlive it: %v", err)
	}
}
