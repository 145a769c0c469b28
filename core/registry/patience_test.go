package registry_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// sleeper is a clock that only sleeping moves.
type sleeper struct {
	mu     sync.Mutex
	at     time.Time
	sleeps []time.Duration
	before func() // a sleep, outside the lock
}

func newSleeper() *sleeper { return &sleeper{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func (s *sleeper) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *sleeper) sleep(ctx context.Context, d time.Duration) error {
	if s.before != nil {
		s.before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
	s.sleeps = append(s.sleeps, d)
	return ctx.Err()
}

func (s *sleeper) total() (sum time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.sleeps {
		sum += d
	}
	return sum
}

// A registry that says when to come back is asked again then, by one listing
// that lasts longer, instead of by a run that failed.
func TestAListingWaitsWhenItIsAskedTo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		after   time.Duration
		times   int // that it is put off
		state   model.RunState
		asked   int // how often the tag is resolved
		slept   time.Duration
		waiting bool
	}{
		"a minute":           {time.Minute, 1, model.RunDone, 2, time.Minute, true},
		"again and again":    {time.Minute, 4, model.RunDone, 5, 4 * time.Minute, true},
		"without end":        {time.Minute, 1000, model.RunFailed, 5, 4 * time.Minute, true},
		"longer than it may": {2 * time.Hour, 1000, model.RunFailed, 1, 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newSleeper()
			h := open(t, options{now: clock.now, sleep: clock.sleep})
			h.add(t, model.Registry{Name: "shop"})
			h.lister.set("a", "1", "one")
			var mu sync.Mutex
			var shown model.Run
			asked := 0
			clock.before = func() {
				if st, err := h.Get(t.Context(), "shop"); err == nil && st.LastRun != nil {
					mu.Lock()
					defer mu.Unlock()
					shown = *st.LastRun
				}
			}
			h.lister.answer(func(string, string) error {
				mu.Lock()
				defer mu.Unlock()
				if asked++; asked <= test.times {
					return fault.New(fault.Unavailable, "HTTP 429").WithRetryAfter(test.after)
				}
				return nil
			})
			run := h.list(t, "shop")
			h.work(t, scanned)
			run = h.run(t, "shop", run.ID)
			if run.State != test.state || asked != test.asked || clock.total() != test.slept {
				t.Errorf("%s %q after %d requests and %s, want %s after %d and %s", run.State, run.Error, asked, clock.total(), test.state, test.asked, test.slept)
			}
			if test.waiting && (shown.WaitingUntil.IsZero() || !strings.Contains(shown.WaitingFor, "HTTP 429")) {
				t.Errorf("while it waited it showed %+v", shown)
			}
			if !run.WaitingUntil.IsZero() {
				t.Errorf("afterwards it shows %+v", run)
			}
		})
	}
}

// When a run will be done is told from the images that were worked on; those
// that were unchanged cost nothing.
func TestWhenARunWillBeDone(t *testing.T) {
	t.Parallel()
	clock := newSleeper()
	h := open(t, options{now: clock.now, sleep: clock.sleep})
	h.add(t, model.Registry{Name: "shop"})
	for i := range 3 {
		h.lister.set("a", fmt.Sprint("old", i), fmt.Sprint("old", i))
	}
	h.list(t, "shop")
	h.work(t, scanned)
	for i := range 8 {
		h.lister.set("a", fmt.Sprint("new", i), fmt.Sprint("new", i))
	}
	run := h.list(t, "shop")
	if !run.ExpectedAt.IsZero() {
		t.Errorf("before anything was scanned it is expected at %s", run.ExpectedAt)
	}
	done := 0
	started := clock.now()
	if err := clock.sleep(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	ids, err := h.store.Waiting(t.Context(), 100)
	if err != nil || len(ids) != 8 {
		t.Fatalf("%d jobs wait, %v", len(ids), err)
	}
	for _, id := range ids[:4] {
		job, ok, err := h.store.Lease(t.Context(), id, model.LeaseTerms{Owner: "test", TTL: time.Minute, Attempts: 3})
		if err != nil || !ok {
			t.Fatal(err)
		}
		back := model.ReturnedJob{State: model.JobUnsupported}
		if err := h.store.Return(t.Context(), job, "test", back); err != nil {
			t.Fatal(err)
		}
		done++
	}
	run = h.run(t, "shop", run.ID)
	if want := started.Add(2 * time.Minute); run.Unchanged != 3 || !run.ExpectedAt.Equal(want) {
		t.Errorf("%d of 8 took a minute: expected at %s, want %s (%+v)", done, run.ExpectedAt, want, run)
	}

	// The registry puts the rest off: nothing goes on before that.
	until := clock.now().Add(10 * time.Minute)
	for _, id := range ids[4:] {
		job, ok, err := h.store.Lease(t.Context(), id, model.LeaseTerms{Owner: "test", TTL: time.Minute, Attempts: 3})
		if err != nil || !ok {
			t.Fatal(err)
		}
		back := model.ReturnedJob{State: model.JobQueued, Reason: "HTTP 429", NotBefore: until, Uncounted: true, Held: true}
		if err := h.store.Return(t.Context(), job, "test", back); err != nil {
			t.Fatal(err)
		}
	}
	run = h.run(t, "shop", run.ID)
	if want := until.Add(time.Minute); !run.WaitingUntil.Equal(until) || run.WaitingFor != "HTTP 429" || !run.ExpectedAt.Equal(want) {
		t.Errorf("put off it shows %+v, want it to wait until %s and be done at %s", run, until, want)
	}
	if job, _, err := h.store.Lease(t.Context(), ids[7], model.LeaseTerms{Owner: "test", TTL: time.Minute, Attempts: 3}); err != nil || job.ID != 0 {
		t.Errorf("it is leased before its time: %+v, %v", job, err)
	}
	if err := clock.sleep(t.Context(), 11*time.Minute); err != nil {
		t.Fatal(err)
	}
	job, ok, err := h.store.Lease(t.Context(), ids[7], model.LeaseTerms{Owner: "test", TTL: time.Minute, Attempts: 3})
	if err != nil || !ok || job.Attempt != 1 || job.Held != 1 {
		t.Errorf("then it is %+v, %v, %v; want the first attempt, put off once", job, ok, err)
	}
}
