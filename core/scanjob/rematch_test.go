package scanjob_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
)

// scan scans digests to the end, without a matcher unless one is in use.
func (h *house) scan(t testing.TB, registry string, digests ...model.Digest) {
	t.Helper()
	run := h.list(t, registry, digests...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_ = h.queue.Consume(ctx, func(ctx context.Context, id int64, alive func() error) bool {
		done := h.Handle(ctx, id, alive)
		if h.run(t, registry, run.ID).State.Final() {
			cancel()
		}
		return done
	})
}

func TestANewDatabaseTouchesOnlyWhatItChanges(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "shop", RescanAfterDBUpdate: true})
	old := h.image("old", pkg("musl", "1.2.4-r0"), pkg("zlib", "1.3-r0"))
	both := h.image("both", pkg("musl", "1.2.4-r0"), pkg("busybox", "1.36-r0"))
	clean := h.image("clean", pkg("busybox", "1.36-r0"))
	h.scan(t, "shop", old, both, clean)

	h.UseMatcher(newMatcher("1", database{"musl": {"CVE-1": "1.2.5-r0"}, "zlib": {"CVE-2": "1.3-r0", "CVE-3": "1.3.1-r0"}}))
	if err := h.Rematch(t.Context()); err != nil {
		t.Fatal(err)
	}
	for d, want := range map[model.Digest][]string{old: {"CVE-1", "CVE-3"}, both: {"CVE-1"}, clean: {}} {
		if diff := cmp.Diff(want, h.vulnerabilities(t, d)); diff != "" {
			t.Errorf("under the first database (-want +got):\n%s", diff)
		}
	}

	// CVE-3 is withdrawn, CVE-4 concerns nothing that is installed.
	h.clock.advance(time.Hour)
	scans := h.scanner.scans.Load()
	h.UseMatcher(newMatcher("2", database{"musl": {"CVE-1": "1.2.5-r0"}, "zlib": {"CVE-2": "1.3-r0"}, "curl": {"CVE-4": "9"}}))
	if err := h.Rematch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"CVE-1"}, h.vulnerabilities(t, old)); diff != "" {
		t.Errorf("under the second database (-want +got):\n%s", diff)
	}
	for d, changed := range map[model.Digest]bool{old: true, both: false, clean: false} {
		known, err := h.store.Verdicts(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if written := known[0].ScannedAt.Equal(h.clock.now()); written != changed {
			t.Errorf("%s was written: %v, want %v", d, written, changed)
		}
		if known[0].DB.Revision != "2" {
			t.Errorf("%s shows database %q, though all answers are those of 2", d, known[0].DB.Revision)
		}
	}
	if h.scanner.scans.Load() != scans {
		t.Error("a re-match pulled an image")
	}
	events, _, err := h.store.AuditEvents(t.Context(), "", 1)
	want := "1 images and 1 clusters touched; in 1 package versions 0 vulnerabilities are new and 1 vanished"
	if err != nil || len(events) != 1 || events[0].Outcome != want {
		t.Errorf("audit trail %+v, error %v, want %q", events, err, want)
	}
}

// A database that learns of a distribution makes results complete, although it
// finds nothing in the image.
func TestWhatNobodyCouldJudgeIsSaid(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "shop", RescanAfterDBUpdate: true})
	image := h.image("image", pkg("musl", "1.2.4-r0"))
	h.UseMatcher(matcher{match.New(blind{}), "1"})
	h.scan(t, "shop", image)
	list := func() (model.FindingList, model.Verdict) {
		known, err := h.store.Verdicts(t.Context(), image)
		if err != nil || len(known) != 1 {
			t.Fatalf("%d verdicts, %v", len(known), err)
		}
		found, err := h.store.FindingList(t.Context(), known[0].Findings)
		if err != nil {
			t.Fatal(err)
		}
		return found, known[0].Verdict
	}
	found, v := list()
	want := []model.Gap{{Stream: "alpine 3.20", Packages: 1, Reason: "which the vulnerability database has nothing about"}}
	if diff := cmp.Diff(want, found.Gaps); diff != "" || !v.Incomplete {
		t.Errorf("incomplete %v, gaps (-want +got):\n%s", v.Incomplete, diff)
	}
	if v.EndOfLife != "2026-04-01" || v.SecretsSought || v.SetIDsSought {
		t.Errorf("verdict %+v", v)
	}
	h.UseMatcher(newMatcher("2", database{"other": {"CVE-1": "1"}}))
	if err := h.Rematch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, v = list(); len(found.Gaps) > 0 || v.Incomplete {
		t.Errorf("the database knows the release now: %+v, gaps %v", v, found.Gaps)
	}
}

// blind is a database that knows nothing about anything.
type blind struct{ database }

func (blind) Buckets() []string { return nil }

func TestARegistryMayAskToBeLeftAlone(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.register(t, model.Registry{Name: "frozen"})
	h.register(t, model.Registry{Name: "live", RescanAfterDBUpdate: true})
	frozen, shared := h.image("frozen", pkg("musl", "1.2.4-r0")), h.image("shared", pkg("musl", "1.2.4-r0"))
	h.UseMatcher(newMatcher("1", database{}))
	h.scan(t, "frozen", frozen, shared)
	h.scan(t, "live", shared)
	h.UseMatcher(newMatcher("2", database{"musl": {"CVE-1": "1.2.5-r0"}}))
	if err := h.Rematch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{}, h.vulnerabilities(t, frozen)); diff != "" {
		t.Errorf("an image that was to be left alone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"CVE-1"}, h.vulnerabilities(t, shared)); diff != "" {
		t.Errorf("an image that another registry has too (-want +got):\n%s", diff)
	}
	known, err := h.store.Known(t.Context(), []model.Digest{frozen, shared})
	if err != nil || !known[frozen].Stale || known[shared].Stale {
		t.Errorf("%+v, error %v: only what was left alone is stale, and scanned by the next run", known, err)
	}
	h.scan(t, "frozen", frozen)
	if diff := cmp.Diff([]string{"CVE-1"}, h.vulnerabilities(t, frozen)); diff != "" {
		t.Errorf("after the next run (-want +got):\n%s", diff)
	}
}

// Whatever databases come one after the other, and wherever a re-match is cut
// off, the findings in the end are those that the last database gives.
func TestRematchEqualsAFreshMatch(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 2))
			broken := &breaking{}
			h := open(t, func(o *scanjob.Options) { broken.Matched = o.Matched; o.Matched = broken })
			h.register(t, model.Registry{Name: "shop", RescanAfterDBUpdate: true})
			var digests []model.Digest
			for round := range 4 {
				var fresh []model.Digest
				for i := range 10 {
					var packages []inventory.Package
					for p := range 5 {
						packages = append(packages, pkg(fmt.Sprint("p", p), fmt.Sprintf("1.%d-r0", random.IntN(4))))
					}
					fresh = append(fresh, h.image(fmt.Sprint(round, "/", i), packages...))
				}
				h.scan(t, "shop", fresh...)
				digests = append(digests, fresh...)
				d := database{}
				for p := range 5 {
					d[fmt.Sprint("p", p)] = map[string]string{}
					for range random.IntN(3) {
						d[fmt.Sprint("p", p)][fmt.Sprint("CVE-", random.IntN(9))] = fmt.Sprintf("1.%d-r0", random.IntN(5))
					}
				}
				m := newMatcher(fmt.Sprint(round), d)
				h.UseMatcher(m)
				broken.after = random.IntN(2)
				if err := h.Rematch(t.Context()); err != nil && !errors.Is(err, errBroken) {
					t.Fatal(err)
				}
				broken.after = -1
				if round%2 == 1 {
					continue // the next database comes before this one was asked to the end
				}
				if err := h.Rematch(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, digest := range digests {
					want := []string{}
					for _, p := range h.scanner.images[digest] {
						for id, fixed := range d[p.Name] {
							if strings.Compare(p.Version, fixed) < 0 {
								want = append(want, id)
							}
						}
					}
					if got := h.vulnerabilities(t, digest); len(got) != len(want) {
						t.Errorf("round %d, %s: %v, want %v", round, digest, got, want)
					}
				}
			}
		})
	}
}

var errBroken = errors.New("the disk is full")

// breaking fails to end a re-match, or to save a part of it, until after is negative.
type breaking struct {
	scanjob.Matched
	after int
}

func (b *breaking) SaveMatched(ctx context.Context, changed []model.Rematched) (model.SavedMatches, error) {
	if b.after == 0 {
		return model.SavedMatches{}, errBroken
	}
	return b.Matched.SaveMatched(ctx, changed)
}

func (b *breaking) EndMatch(ctx context.Context, db model.DBVersion, answers map[int64]string, stale []model.Digest) error {
	if b.after >= 0 {
		return errBroken
	}
	return b.Matched.EndMatch(ctx, db, answers, stale)
}

func TestADatabaseThatComesMeanwhileEndsARematch(t *testing.T) {
	t.Parallel()
	var h *house
	var replaced sync.Once
	h = open(t, func(o *scanjob.Options) {
		o.Inventories = replacing{o.Inventories, func() {
			replaced.Do(func() { go h.UseMatcher(newMatcher("2", database{})) }) // it waits for the part under way
		}}
	})
	h.register(t, model.Registry{Name: "shop", RescanAfterDBUpdate: true})
	var digests []model.Digest
	for i := range 300 {
		digests = append(digests, h.image(fmt.Sprint(i), pkg("musl", "1.2.4-r0")))
	}
	h.scan(t, "shop", digests...)
	h.UseMatcher(newMatcher("1", database{"musl": {"CVE-1": "1.2.5-r0"}}))
	if err := h.Rematch(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		v, ok := h.Database()
		return ok && v.Revision == "2"
	})
	if err := h.Rematch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := h.store.MatchedDB(t.Context()); err != nil || v.Revision != "2" {
		t.Errorf("findings answer to %+v, error %v", v, err)
	}
	for _, d := range digests {
		if got := h.vulnerabilities(t, d); len(got) != 0 {
			t.Fatalf("%s: %v, want none", d, got)
		}
	}
}

type replacing struct {
	scanjob.Inventories
	before func()
}

func (r replacing) Inventory(ctx context.Context, d model.Digest) ([]byte, error) {
	r.before()
	return r.Inventories.Inventory(ctx, d)
}
