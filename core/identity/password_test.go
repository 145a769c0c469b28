package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestDecodeHashRefuses(t *testing.T) {
	t.Parallel()
	const salt, sum = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if _, _, _, err := decodeHash("$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + sum); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "plain", "$argon2i$v=19$m=8,t=1,p=1$" + salt + "$" + sum, "$argon2id$v=16$m=8,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=0,t=1,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=4294967295,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=8,t=99,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=8,t=1,p=1$" + salt + "$",
		"$argon2id$v=19$m=8,t=1,p=1$$" + sum, "$argon2id$v=19$m=8,t=1,p=1$*$" + sum, "$argon2id$v=19$x$" + salt + "$" + sum,
	} {
		if _, _, _, err := decodeHash(bad); !errors.Is(err, errHash) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := newHasher(Cost{}); err == nil {
		t.Error("a hasher without a cost")
	}
}

func TestHasherWaitsForASlotOnlyAsLongAsTheCaller(t *testing.T) {
	t.Parallel()
	h, err := newHasher(Cost{MemoryKiB: 8, Passes: 1, Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-h.slots
	stored, err := h.hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"x": true, "y": false, "": false} {
		if ok, err := h.verify(t.Context(), password, stored); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	if ok, _ := h.verify(t.Context(), "", h.dummy); ok {
		t.Error("the dummy hash has a password")
	}
}

func TestThrottleLetsNoMoreThroughAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	th := newThrottle(func() time.Time { return now })
	var wg sync.WaitGroup
	var mu sync.Mutex
	through := 0
	for range 50 {
		wg.Go(func() {
			if th.begin("amy", "10.0.0.1") == 0 {
				mu.Lock()
				through++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if through != pairLimit {
		t.Errorf("%d attempts at once, want %d", through, pairLimit)
	}
}

func TestThrottleLimitsASourceAcrossUsers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	th := newThrottle(func() time.Time { return now })
	for i := range sourceLimit {
		if wait := th.begin(fmt.Sprint("user", i), "10.0.0.1"); wait > 0 {
			t.Fatalf("attempt %d waits %v", i, wait)
		}
	}
	if th.begin("one more", "10.0.0.1") == 0 {
		t.Error("a source may try any number of users")
	}
	if th.begin("one more", "10.0.0.2") != 0 {
		t.Error("another source waits too")
	}
	now = now.Add(forgetAfter + time.Second)
	if th.begin("user1", "10.0.0.1") != 0 {
		t.Error("nothing is forgotten")
	}
}

func TestThrottleStaysBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	th := newThrottle(func() time.Time { return now })
	for i := range maxEntries {
		now = now.Add(time.Millisecond)
		th.begin(fmt.Sprint("user", i), fmt.Sprint("source", i))
	}
	if len(th.entries) > maxEntries+2 {
		t.Errorf("%d entries", len(th.entries))
	}
}

func FuzzDecodeHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, stored string) {
		cost, salt, sum, err := decodeHash(stored)
		if err != nil {
			return
		}
		again, salt2, sum2, err := decodeHash(encodeHash(cost, salt, sum))
		if err != nil || again != cost || string(salt2) != string(salt) || string(sum2) != string(sum) {
			t.Errorf("%q does not survive: %v", stored, err)
		}
	})
}
