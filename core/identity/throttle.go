package identity

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Logins that fail are answered more and more slowly. The tightest limit is on
// one user from one source, so that an attacker elsewhere cannot lock a user
// out; the wider ones stop many users from one source and one user from many.
const (
	pairLimit    = 5
	sourceLimit  = 30
	userLimit    = 200
	firstBlock   = 5 * time.Second // doubled by each further failure
	longestBlock = 15 * time.Minute
	forgetAfter  = 30 * time.Minute
	maxEntries   = 10_000
)

// throttle counts failed logins in memory: a restart forgets them, which costs
// an attacker more than it gives.
type throttle struct {
	now     func() time.Time
	mu      sync.Mutex
	entries map[throttleKey]*failures
}

type throttleKey struct{ user, source string } // either may be empty: any

type failures struct {
	count   int
	last    time.Time
	blocked time.Time // until then
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, entries: map[throttleKey]*failures{}}
}

func throttleKeys(user, source string) map[throttleKey]int {
	return map[throttleKey]int{
		{user, source}: pairLimit,
		{"", source}:   sourceLimit,
		{user, ""}:     userLimit,
	}
}

// begin counts an attempt as failed before it is tried, so that attempts made
// at the same time cannot slip through together; success takes it back. While
// blocked it counts nothing and says how long to wait.
func (t *throttle) begin(user, source string) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for key := range throttleKeys(user, source) {
		if f := t.entries[key]; f != nil {
			wait = max(wait, f.blocked.Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	t.makeRoom()
	for key, limit := range throttleKeys(user, source) {
		f := t.entries[key]
		if f == nil || now.Sub(f.last) > forgetAfter {
			f = &failures{}
			t.entries[key] = f
		}
		f.count, f.last = f.count+1, now
		if over := f.count - limit; over >= 0 {
			f.blocked = now.Add(min(firstBlock<<min(over, 16), longestBlock))
		}
	}
	return 0
}

// success takes an attempt back, and forgives the user at this source.
func (t *throttle) success(user, source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, throttleKey{user, source})
	for _, key := range []throttleKey{{"", source}, {user, ""}} {
		if f := t.entries[key]; f != nil {
			f.count, f.blocked = max(f.count-1, 0), time.Time{}
		}
	}
}

// makeRoom keeps the table bounded: when it is full, the quarter that is
// longest ago goes at once, so that the work is rarely done.
func (t *throttle) makeRoom() {
	if len(t.entries) < maxEntries {
		return
	}
	keys := slices.SortedFunc(maps.Keys(t.entries), func(a, b throttleKey) int {
		return t.entries[a].last.Compare(t.entries[b].last)
	})
	for _, key := range keys[:len(keys)/4] {
		delete(t.entries, key)
	}
}
