package scanjob_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/scanjob"
)

func TestWhatBecomesOfAScanThatFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err      error
		attempts int32
		status   model.ImageStatus
		reason   string
	}{
		"unsupported artifact":   {fault.New(fault.Unsupported, "a chart"), 1, model.ImageUnsupported, "a chart"},
		"malformed manifest":     {fault.New(fault.Invalid, "no layers"), 1, model.ImageFailed, "no layers"},
		"not there":              {fault.New(fault.NotFound, "manifest unknown"), 1, model.ImageFailed, "manifest unknown"},
		"over a limit":           {fault.New(fault.TooLarge, "too many entries"), 1, model.ImageFailed, "too many entries"},
		"wrong digest":           {fault.New(fault.Unavailable, "blob is another"), 3, model.ImageFailed, "blob is another (tried 3 times)"},
		"network":                {errors.New("connection reset"), 3, model.ImageFailed, "connection reset (tried 3 times)"},
		"put off, then given up": {fault.New(fault.Unavailable, "HTTP 429").WithRetryAfter(2 * time.Second), 24 + 3, model.ImageFailed, "HTTP 429 (tried 3 times)"},
		"endless message":        {fault.New(fault.Invalid, "%s", strings.Repeat("é", 5000)), 1, model.ImageFailed, strings.Repeat("é", 500) + "…"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			h.register(t, model.Registry{Name: "shop"})
			d := h.image("one")
			h.scanner.before = func(context.Context, scanjob.Target) error { return test.err }
			run := h.list(t, "shop", d)
			stop := h.running(t)
			defer stop()
			eventually(t, func() bool {
				if h.run(t, "shop", run.ID).State.Final() {
					return true
				}
				h.clock.advance(time.Second)
				if err := h.Refill(t.Context()); err != nil {
					t.Fatal(err)
				}
				return false
			})
			img, err := h.store.ImageSummary(t.Context(), d)
			if err != nil || img.Status != test.status || img.Reason != test.reason {
				t.Errorf("image is %s because %q, error %v; want %s because %q", img.Status, img.Reason, err, test.status, test.reason)
			}
			if got := h.scanner.scans.Load(); got != test.attempts {
				t.Errorf("%d attempts, want %d", got, test.attempts)
			}
			run = h.run(t, "shop", run.ID)
			if run.State != model.RunDone || run.Listed != 1 || run.Failed+run.Unsupported != 1 {
				t.Errorf("%+v", run)
			}
		})
	}
}

func TestARetryWaitsAndThenSucceeds(t *testing.T) {
	t.Parallel()
	returned := make(chan struct{}, 1)
	h := open(t, func(o *scanjob.Options) { o.Jobs = watched{o.Jobs, returned} })
	h.register(t, model.Registry{Name: "shop"})
	d := h.image("one", pkg("musl", "1.2.4-r0"))
	var calls atomic.Int32
	h.scanner.before = func(context.Context, scanjob.Target) error {
		if calls.Add(1) == 1 {
			return errors.New("connection reset")
		}
		return nil
	}
	run := h.list(t, "shop", d)
	stop := h.running(t)
	defer stop()
	<-returned
	h.clock.advance(9 * time.Second)
	if ids, err := h.store.Waiting(t.Context(), 10); err != nil || len(ids) != 0 {
		t.Errorf("jobs %v wait already after nine seconds, error %v", ids, err)
	}
	eventually(t, func() bool {
		h.clock.advance(time.Second)
		if err := h.Refill(t.Context()); err != nil {
			t.Fatal(err)
		}
		return h.run(t, "shop", run.ID).State == model.RunDone
	})
	if run = h.run(t, "shop", run.ID); run.Scanned != 1 {
		t.Errorf("%+v", run)
	}
}

// watched tells when a job was returned.
type watched struct {
	scanjob.Jobs
	returned chan struct{}
}

func (w watched) Return(ctx context.Context, j model.Job, owner string, r model.ReturnedJob) error {
	err := w.Jobs.Return(ctx, j, owner, r)
	w.returned <- struct{}{}
	return err
}

func TestAnImageThatIsAnotherOneFails(t *testing.T) {
	t.Parallel()
	h := open(t, func(o *scanjob.Options) { o.Scanner = liar{} })
	h.register(t, model.Registry{Name: "shop"})
	d := h.image("one")
	run := h.list(t, "shop", d)
	stop := h.running(t)
	defer stop()
	eventually(t, func() bool { return h.run(t, "shop", run.ID).Failed == 1 })
	if _, err := h.store.Inventory(t.Context(), d); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an inventory of it: %v", err)
	}
}

// liar finds another image than it was asked for.
type liar struct{}

func (liar) Analyzers() string { return "fake/1" }
func (liar) Index(context.Context, scanjob.Target) (model.Index, bool, error) {
	return model.Index{}, false, nil
}
func (liar) Image(_ context.Context, t scanjob.Target) (scanjob.Found, error) {
	return found("sha256:"+model.Digest(strings.Repeat("0", 64)), nil), nil
}

func TestAnIndexIsHandedOn(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "shop"})
	d := h.image("index")
	ix := model.Index{Digest: d, Children: []model.IndexChild{{Digest: h.image("child")}}}
	h.scanner.indexes = map[model.Digest]model.Index{d: ix}
	run, _, err := h.store.StartRun(t.Context(), "shop", model.TriggerManual, h.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	queued, err := h.store.AddListed(t.Context(), model.ListedPart{
		Run: run.ID, Registry: "shop", Items: []model.ListedItem{{Repository: "app", Digest: d, State: model.JobQueued}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = h.queue.Publish(t.Context(), queued[0])
	stop := h.running(t)
	eventually(t, func() bool {
		h.scanner.mu.Lock()
		defer h.scanner.mu.Unlock()
		return len(h.scanner.expanded) > 0
	})
	stop()
	if diff := cmp.Diff([]model.Index{ix}, h.scanner.expanded); diff != "" {
		t.Errorf("expanded (-want +got):\n%s", diff)
	}
}

func TestALostLeaseStopsTheScan(t *testing.T) {
	t.Parallel()
	h := open(t, func(o *scanjob.Options) { o.Lease = 30 * time.Millisecond })
	h.register(t, model.Registry{Name: "shop"})
	d := h.image("one")
	begun, ended := make(chan struct{}), make(chan error, 1)
	h.scanner.before = func(ctx context.Context, _ scanjob.Target) error {
		close(begun)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}
	run := h.list(t, "shop", d)
	stop := h.running(t)
	defer stop()
	<-begun
	if _, err := h.store.StopRun(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "lease is lost") {
		t.Errorf("the scan ended by %v", err)
	}
	if run = h.run(t, "shop", run.ID); run.State != model.RunCancelled {
		t.Errorf("%+v", run)
	}
	if _, err := h.store.ImageSummary(t.Context(), d); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an image that was only scheduled is still there: %v", err)
	}
}

func TestADaemonThatStopsGivesItsJobsBack(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "shop"})
	begun := make(chan struct{})
	h.scanner.before = func(ctx context.Context, _ scanjob.Target) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	h.list(t, "shop", h.image("one"))
	stop := h.running(t)
	<-begun
	stop()
	ids, err := h.store.Waiting(t.Context(), 10)
	if err != nil || len(ids) != 1 {
		t.Fatalf("jobs %v wait, error %v; want the one, at once", ids, err)
	}
	job, ok, err := h.store.Lease(t.Context(), ids[0], model.LeaseTerms{Owner: "other", TTL: time.Minute, Attempts: 3})
	if err != nil || !ok || job.Attempt != 1 {
		t.Errorf("%+v, %v, %v: stopping must not cost an attempt", job, ok, err)
	}
}

// A daemon is killed at some point of a scan; the next one finds the rows that
// were committed, nothing else, and finishes the run with everything counted once.
func TestKilledAtAnyStep(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"listed", "leased", "saved"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "", "first", nil)
			h.register(t, model.Registry{Name: "shop"})
			one, two := h.image("one", pkg("musl", "1.2.4-r0")), h.image("two", pkg("musl", "1.2.4-r0"))
			run := h.list(t, "shop", one, two)
			ids, err := h.store.Waiting(t.Context(), 10)
			if err != nil || len(ids) != 2 {
				t.Fatalf("%v, %v", ids, err)
			}
			if step != "listed" {
				job, ok, err := h.store.Lease(t.Context(), ids[0], model.LeaseTerms{Owner: "first", TTL: time.Minute, Attempts: 3})
				if err != nil || !ok {
					t.Fatalf("%v, %v", ok, err)
				}
				if step == "saved" {
					err := h.store.SaveScan(t.Context(), model.ScanResult{
						Job: job, Owner: "first", Analyzers: "fake/1", Inventory: []byte(`{}`),
						Image: model.Image{Digest: job.Digest, Status: model.ImageFinished},
					})
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			h.close(t)

			next := newHouse(t, h.path, "second", nil)
			next.scanner.images = h.scanner.images
			next.clock.advance(time.Hour) // the lease of the dead runs out
			stop := next.running(t)
			defer func() { stop(); next.close(t) }()
			eventually(t, func() bool { return next.run(t, "shop", run.ID).State.Final() })
			if run = next.run(t, "shop", run.ID); run.State != model.RunDone || run.Listed != 2 || run.Scanned != 2 {
				t.Errorf("%+v", run)
			}
			want := int32(2)
			if step == "saved" {
				want = 1
			}
			if got := next.scanner.scans.Load(); got != want {
				t.Errorf("%d scans by the second daemon, want %d", got, want)
			}
		})
	}
}

func TestAJobThatKillsItsWorkersIsGivenUp(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "shop"})
	d := h.image("bomb")
	run := h.list(t, "shop", d)
	ids, err := h.store.Waiting(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		_, ok, err := h.store.Lease(t.Context(), ids[0], model.LeaseTerms{Owner: fmt.Sprint(i), TTL: time.Minute, Attempts: 3})
		if err != nil || ok != (i < 3) {
			t.Fatalf("lease %d: %v, %v", i, ok, err)
		}
		if _, ok, err := h.store.Lease(t.Context(), ids[0], model.LeaseTerms{Owner: "greedy", TTL: time.Minute, Attempts: 3}); ok || err != nil {
			t.Errorf("a job was leased twice, error %v", err)
		}
		if held, err := h.store.Extend(t.Context(), ids[0], model.LeaseTerms{Owner: "greedy", TTL: time.Minute}); held || err != nil {
			t.Errorf("somebody else's lease was extended, error %v", err)
		}
		h.clock.advance(2 * time.Minute)
	}
	if run = h.run(t, "shop", run.ID); run.State != model.RunDone || run.Failed != 1 {
		t.Errorf("%+v", run)
	}
	if img, err := h.store.ImageSummary(t.Context(), d); err != nil || img.Status != model.ImageFailed || !strings.Contains(img.Reason, "cut off 3 times") {
		t.Errorf("%s because %q, %v", img.Status, img.Reason, err)
	}
}

// A result that exists is not lost when a later scan of the same image fails.
func TestAFailureKeepsTheOldResult(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "shop"})
	h.UseMatcher(newMatcher("1", database{"musl": {"CVE-1": "1.2.5-r0"}}))
	d := h.image("one", pkg("musl", "1.2.4-r0"))
	stop := h.running(t)
	defer stop()
	run := h.list(t, "shop", d)
	eventually(t, func() bool { return h.run(t, "shop", run.ID).State == model.RunDone })
	h.scanner.before = func(context.Context, scanjob.Target) error { return fault.New(fault.Invalid, "broken") }
	run = h.list(t, "shop", d)
	eventually(t, func() bool { return h.run(t, "shop", run.ID).State == model.RunDone })
	if run = h.run(t, "shop", run.ID); run.Failed != 1 {
		t.Errorf("%+v", run)
	}
	if img, err := h.store.ImageSummary(t.Context(), d); err != nil || img.Status != model.ImageFinished || len(img.Verdicts) != 1 {
		t.Errorf("%+v, %v", img, err)
	}
	if diff := cmp.Diff([]string{"CVE-1"}, h.vulnerabilities(t, d)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// A registry that says when to come back is not asked before that, however
// often that is, and no attempt is lost.
func TestAnImageThatIsPutOffIsTriedThen(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "shop"})
	d := h.image("one")
	var asked atomic.Int32
	h.scanner.before = func(context.Context, scanjob.Target) error {
		if asked.Add(1) <= 10 {
			return fault.New(fault.Unavailable, "HTTP 429").WithRetryAfter(time.Hour)
		}
		return nil
	}
	run := h.list(t, "shop", d)
	stop := h.running(t)
	defer stop()
	for i := range int32(10) {
		eventually(t, func() bool {
			if err := h.Refill(t.Context()); err != nil {
				t.Fatal(err)
			}
			return asked.Load() == i+1 && !h.run(t, "shop", run.ID).WaitingUntil.IsZero()
		})
		waiting := h.run(t, "shop", run.ID)
		if left := waiting.WaitingUntil.Sub(h.clock.now()); left != time.Hour || waiting.WaitingFor != "HTTP 429" {
			t.Fatalf("put off %d times it waits for %s, because of %q", i+1, left, waiting.WaitingFor)
		}
		h.clock.advance(time.Hour)
	}
	eventually(t, func() bool {
		if err := h.Refill(t.Context()); err != nil {
			t.Fatal(err)
		}
		return h.run(t, "shop", run.ID).State.Final()
	})
	if run = h.run(t, "shop", run.ID); run.State != model.RunDone || run.Scanned != 1 {
		t.Errorf("%+v", run)
	}
}
