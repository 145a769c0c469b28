package registry_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// A first run has found a/1, a/2 and b/1; in the second, a/2 is gone, b/1 moved
// and c/1 is new, and something goes wrong.
func TestOnlyACompleteListingForgetsTags(t *testing.T) {
	t.Parallel()
	boom := fault.New(fault.Unavailable, "connection reset")
	all := []string{"a:1", "a:2", "b:1", "c:1"}
	tests := map[string]struct {
		fault   func(*fakeLister)
		tags    []string
		problem string // part of the run's error; empty: the run succeeds
		counted string // listed, scanned, unchanged, unsupported, failed
	}{
		"nothing wrong":  {func(*fakeLister) {}, []string{"a:1", "b:1", "c:1"}, "", "3 2 1 0 0"},
		"catalog breaks": {func(f *fakeLister) { f.afterRepository = failAt("b", boom) }, []string{"a:1", "a:2", "b:1"}, "list repositories: connection reset", "2 1 1 0 0"},
		"tag list breaks": {func(f *fakeLister) {
			f.afterTag = func(repository, _ string) error { return failAt("b", boom)(repository) }
		}, all, "list tags of b: connection reset", "3 2 1 0 0"},
		"tag list ends as not found": {func(f *fakeLister) {
			f.afterTag = func(repository, _ string) error {
				return failAt("a", fault.New(fault.NotFound, "no such page"))(repository)
			}
		}, all, "list tags of a: no such page", "3 2 1 0 0"},
		"one tag cannot be read": {func(f *fakeLister) {
			f.resolve = func(repository, _ string) error { return failAt("a", boom)(repository) }
		}, all, "read a:1: connection reset", "2 2 0 0 0"},
		"one tag vanishes meanwhile": {func(f *fakeLister) {
			f.resolve = func(repository, _ string) error { return failAt("b", fault.New(fault.NotFound, "gone"))(repository) }
		}, []string{"a:1", "c:1"}, "", "2 1 1 0 0"},
		"everything breaks": {func(f *fakeLister) {
			f.resolve = func(string, string) error { return boom }
		}, []string{"a:1", "a:2", "b:1"}, "and c:1", "0 0 0 0 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			h.add(t, model.Registry{Name: "shop"})
			h.lister.set("a", "1", "one")
			h.lister.set("a", "2", "two")
			h.lister.set("b", "1", "three")
			h.list(t, "shop")
			h.work(t, scanned)

			h.lister.remove("a", "2")
			h.lister.set("b", "1", "four")
			h.lister.set("c", "1", "five")
			test.fault(h.lister)
			run := h.list(t, "shop")
			h.work(t, scanned)
			run = h.run(t, "shop", run.ID)
			want := model.RunDone
			if test.problem != "" {
				want = model.RunFailed
			}
			problem := test.problem
			if name == "everything breaks" {
				problem = "connection reset"
			}
			if run.State != want || !strings.Contains(run.Error, problem) {
				t.Errorf("the run is %s with %q, want %s with %q", run.State, run.Error, want, problem)
			}
			if got := counters(run); got != test.counted {
				t.Errorf("listed, scanned, unchanged, unsupported, failed: %s, want %s", got, test.counted)
			}
			if diff := cmp.Diff(test.tags, h.tags(t, "shop")); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
		})
	}
}

func failAt(repository string, err error) func(string) error {
	return func(r string) error {
		if r == repository {
			return err
		}
		return nil
	}
}

func TestAListingThatFindsNothingIsDone(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.add(t, model.Registry{Name: "shop", Filters: []string{"nothing/*"}})
	h.lister.set("a", "1", "one")
	run := h.list(t, "shop")
	if run.State != model.RunDone || run.Listed != 0 || run.Error != "" || !strings.Contains(run.Warning, "nothing matches the filters; the registry lists 1 repositories") {
		t.Errorf("%+v", run)
	}
}

func TestRepositoriesNamedBySettingsReplaceTheCatalog(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.add(t, model.Registry{Name: "shop", Repositories: []string{"b", "missing"}})
	h.lister.set("a", "1", "one")
	h.lister.set("b", "1", "two")
	run := h.list(t, "shop")
	h.work(t, scanned)
	run = h.run(t, "shop", run.ID)
	if run.State != model.RunFailed || !strings.Contains(run.Error, "list tags of missing") || run.Scanned != 1 {
		t.Errorf("%+v: a repository asked for by name must exist", run)
	}
}

func TestAnIndexIsItsChildren(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.add(t, model.Registry{Name: "amd", Platforms: []string{"linux/amd64"}})
	h.add(t, model.Registry{Name: "every"})
	h.lister.set("web", "1", "index")
	h.lister.set("web", "plain", "amd64")
	ix := model.Index{Digest: digest("index"), Children: []model.IndexChild{
		{Digest: digest("amd64"), Platform: model.Platform{OS: "linux", Architecture: "amd64"}},
		{Digest: digest("arm64"), Platform: model.Platform{OS: "linux", Architecture: "arm64"}},
		{Digest: digest("sbom"), Platform: model.Platform{OS: "unknown", Architecture: "unknown"}},
	}}
	run := h.list(t, "amd")
	for range 2 { // a repeated expansion, as after a crash, changes nothing
		if err := h.Expand(t.Context(), run.ID, "amd", "web", ix); err != nil {
			t.Fatal(err)
		}
	}
	h.work(t, scanned)
	if run = h.run(t, "amd", run.ID); run.State != model.RunDone || counters(run) != "2 1 0 1 0" {
		t.Errorf("first run %s: %s", run.State, counters(run))
	}
	// The index is known now: its children are accounted for without a request.
	run = h.list(t, "every")
	h.work(t, scanned)
	if run = h.run(t, "every", run.ID); run.State != model.RunDone || counters(run) != "3 1 1 1 0" {
		t.Errorf("run with all platforms %s: %s", run.State, counters(run))
	}
	st, err := h.Get(t.Context(), "every")
	if err != nil || st.Images != 2 {
		t.Errorf("%d images, error %v; want the two that are images", st.Images, err)
	}
}

// Whoever writes an index may name any digest as what is no image. That hides
// nothing: not in the run that meets the index first, and not in later ones.
func TestAnIndexCannotHideAnImage(t *testing.T) {
	t.Parallel()
	hostile := model.Index{Digest: digest("hostile"), Children: []model.IndexChild{
		{Digest: digest("victim"), Platform: model.Platform{OS: "unknown", Architecture: "unknown"}},
	}}
	t.Run("the index first", func(t *testing.T) {
		t.Parallel()
		h := open(t, options{})
		h.add(t, model.Registry{Name: "shop", Filters: []string{"evil/*"}})
		h.lister.set("evil/index", "1", "hostile")
		h.lister.set("web", "1", "victim")
		run := h.list(t, "shop")
		if err := h.Expand(t.Context(), run.ID, "shop", "evil/index", hostile); err != nil {
			t.Fatal(err)
		}
		if run = h.run(t, "shop", run.ID); counters(run) != "1 0 0 1 0" {
			t.Errorf("the index alone: %s", counters(run))
		}
		h.add(t, model.Registry{Name: "all"})
		run = h.list(t, "all")
		h.work(t, scanned)
		if run = h.run(t, "all", run.ID); run.State != model.RunDone || counters(run) != "1 1 0 0 0" {
			t.Errorf("the image by its own tag: %s, %s", run.State, counters(run))
		}
	})
	t.Run("in one run", func(t *testing.T) {
		t.Parallel()
		h := open(t, options{})
		h.add(t, model.Registry{Name: "shop"})
		h.lister.set("evil/index", "1", "hostile")
		run := h.list(t, "shop")
		if err := h.Expand(t.Context(), run.ID, "shop", "evil/index", hostile); err != nil {
			t.Fatal(err)
		}
		h.lister.set("web", "1", "victim")
		run = h.list(t, "shop") // knows the index, and meets it first
		h.work(t, scanned)
		if run = h.run(t, "shop", run.ID); run.State != model.RunDone || counters(run) != "1 1 0 0 0" {
			t.Errorf("%s, %s", run.State, counters(run))
		}
		run = h.list(t, "shop")
		if run = h.run(t, "shop", run.ID); counters(run) != "1 0 1 0 0" {
			t.Errorf("the next run: %s", counters(run))
		}
	})
}

func TestStopEndsAListingAndForgetsWhatWaits(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.add(t, model.Registry{Name: "shop"})
	for i := range 500 {
		h.lister.set("a", fmt.Sprint(i), fmt.Sprint(i))
	}
	reached, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	h.lister.answer(func(string, string) error {
		if calls.Add(1) == 300 {
			close(reached)
		}
		if calls.Load() >= 300 {
			<-release
		}
		return nil
	})
	stop := h.running(t)
	defer stop()
	run, err := h.Scan(t.Context(), model.System(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Scan(t.Context(), model.System(), "shop")
	if err != nil || again.ID != run.ID {
		t.Errorf("a second start gives run %d, error %v, want the one under way, %d", again.ID, err, run.ID)
	}
	<-reached
	if err := h.Stop(t.Context(), model.System(), "shop"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if run = h.run(t, "shop", run.ID); run.State != model.RunCancelled || run.FinishedAt.IsZero() {
		t.Errorf("%+v", run)
	}
	if ids, err := h.store.Waiting(t.Context(), 10); err != nil || len(ids) != 0 {
		t.Errorf("jobs %v wait, error %v", ids, err)
	}
	if err := h.Stop(t.Context(), model.System(), "shop"); err != nil {
		t.Errorf("stopping what does not run: %v", err)
	}
	h.lister.answer(nil)
	if next, err := h.Scan(t.Context(), model.System(), "shop"); err != nil || next.ID == run.ID {
		t.Errorf("the next start gives run %d, error %v", next.ID, err)
	}
}

// A daemon that is killed while it lists leaves an open run and some jobs, of
// which one may be done. The next daemon lists again and counts everything once.
func TestAKilledListingIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, options{})
	h.add(t, model.Registry{Name: "shop"})
	for i := range 250 { // the first 200 make a part
		h.lister.set("a", fmt.Sprint(i), fmt.Sprint(i))
	}
	content := h.lister.content
	blocked := make(chan struct{})
	var calls atomic.Int32
	h.lister.answer(func(string, string) error {
		if calls.Add(1) > 220 {
			<-blocked
		}
		return nil
	})
	stop := h.running(t)
	run, err := h.Scan(t.Context(), model.System(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	h.eventually(t, func() bool { return h.run(t, "shop", run.ID).Listed == 200 })
	h.work(t, func(d model.Digest) model.JobState {
		if d < "sha256:8" {
			return model.JobScanned
		}
		return model.JobFailed
	})
	h.lister.answer(func(string, string) error { return errors.New("killed") })
	close(blocked)
	stop()
	h.close(t)

	second := newHouse(t, options{path: h.path})
	second.lister.content = content
	stop = second.running(t)
	defer func() { stop(); second.close(t) }()
	second.eventually(t, func() bool { return second.run(t, "shop", run.ID).State != model.RunListing })
	second.work(t, scanned)
	run = second.run(t, "shop", run.ID)
	if run.State != model.RunDone || run.Listed != 250 || run.Scanned+run.Failed != 250 || run.Failed == 0 {
		t.Errorf("%+v", run)
	}
}

// However a registry changes and whatever becomes of its images, a run that is
// done accounts for every digest once.
func TestCountersAddUp(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			h := open(t, options{})
			h.add(t, model.Registry{Name: "shop"})
			for range 5 {
				digests := map[string]bool{}
				for range random.IntN(40) {
					h.lister.set(fmt.Sprint("r", random.IntN(4)), fmt.Sprint(random.IntN(10)), fmt.Sprint(random.IntN(30)))
				}
				for _, tags := range h.lister.content {
					for _, content := range tags {
						digests[content] = true
					}
				}
				run := h.list(t, "shop")
				h.work(t, func(model.Digest) model.JobState {
					return []model.JobState{model.JobScanned, model.JobScanned, model.JobFailed, model.JobUnsupported}[random.IntN(4)]
				})
				run = h.run(t, "shop", run.ID)
				if run.State != model.RunDone || run.Listed != len(digests) || run.Listed != run.Scanned+run.Unchanged+run.Unsupported+run.Failed {
					t.Fatalf("%d digests, but %+v", len(digests), run)
				}
			}
		})
	}
}

func TestAMissedScheduleIsCaughtUpOnce(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[time.Time]
	set := func(text string) {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		now.Store(&at)
	}
	set("2026-05-01T12:00:00Z")
	clock := func() time.Time { return *now.Load() }
	h := newHouse(t, options{now: clock})
	h.add(t, model.Registry{Name: "nightly", Schedule: "30 2 * * *"})
	h.add(t, model.Registry{Name: "probe", Schedule: "@every 1m"}) // is due whenever the loop has looked
	h.lister.set("a", "1", "one")
	probed := func(h *house, at string) {
		h.eventually(t, func() bool {
			h.work(t, scanned)
			st, err := h.Get(t.Context(), "probe")
			return err == nil && st.LastRun != nil && st.LastRun.State.Final() && st.LastRun.StartedAt.Format(time.RFC3339) == at
		})
	}
	runs := func(h *house) int64 {
		st, err := h.Get(t.Context(), "nightly")
		if err != nil {
			t.Fatal(err)
		}
		if st.LastRun == nil {
			return 0
		}
		if st.LastRun.Trigger != model.TriggerSchedule {
			t.Errorf("a run by %s", st.LastRun.Trigger)
		}
		return st.LastRun.ID
	}
	finish := func(h *house) {
		h.eventually(t, func() bool {
			h.work(t, scanned)
			st, err := h.Get(t.Context(), "nightly")
			return err == nil && st.LastRun != nil && st.LastRun.State.Final()
		})
	}
	set("2026-05-01T12:02:00Z")
	stop := h.running(t)
	probed(h, "2026-05-01T12:02:00Z")
	stop()
	if n := runs(h); n != 0 {
		t.Errorf("a new registry is not due: run %d", n)
	}
	h.close(t)

	// Three nights pass while the daemon is down.
	set("2026-05-04T09:00:00Z")
	h2 := newHouse(t, options{path: h.path, now: clock})
	h2.lister = h.lister
	stop = h2.running(t)
	finish(h2)
	probed(h2, "2026-05-04T09:00:00Z")
	caughtUp := runs(h2)
	stop()
	h2.close(t)

	// The next start, minutes later, owes nothing.
	set("2026-05-04T09:10:00Z")
	h3 := newHouse(t, options{path: h.path, now: clock})
	h3.lister = h.lister
	stop = h3.running(t)
	probed(h3, "2026-05-04T09:10:00Z")
	stop()
	if n := runs(h3); n != caughtUp {
		t.Errorf("caught up again: run %d", n)
	}
	st, err := h3.Get(t.Context(), "nightly")
	if want := "2026-05-05 02:30:00 +0000 UTC"; err != nil || st.NextRun.String() != want {
		t.Errorf("next run %s, error %v, want %s", st.NextRun, err, want)
	}
	h3.close(t)
}
