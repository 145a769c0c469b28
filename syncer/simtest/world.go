package simtest

import (
	"container/heap"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/storetest"
	"github.com/muster-sec/muster/syncer/wire"
)

// ErrViolated says that a promise was broken; the text says which and when.
var ErrViolated = errors.New("promise broken")

// Stores makes the stores of a world.
type Stores struct {
	// Feed returns an empty feed that ranks kinds by [Priority].
	Feed func() (storetest.Feed, error)
	// Copy returns the empty store of a member.
	Copy func() (syncer.MemberStore, error)
	// Backup returns a feed with the present content of another and independent
	// of it. Nil leaves restores out.
	Backup func(storetest.Feed) (storetest.Feed, error)
}

// Priority ranks the kinds that a world writes.
func Priority() syncer.Priority { return syncer.Priority{"rule": 0, "list": 1, "detail": 2} }

const (
	federation = "simulated"
	interval   = time.Second
	chaosTime  = 30 * time.Second
	quietTime  = 20 * time.Second
	window     = 4 << 10
	maxFrame   = 1 << 20
)

// batchLimit is small, so that a backlog takes many batches.
func batchLimit() syncer.Limit { return syncer.Limit{Records: 5, Bytes: 1 << 10} }

// Report is what happened in a world, to show that a run was not idle.
type Report struct {
	// Applied counts changes that members committed, Sessions connections, Faults
	// whatever went wrong on purpose, Epochs those opened, Orphans records offered back.
	Applied, Sessions, Faults, Epochs, Orphans int
	// Trace is a sum over all that happened; equal seeds have equal traces.
	Trace uint64
}

// faults are the odds of one world, per occasion.
type faults struct {
	drop, double, delay, damage, cut, kill float64
}

// world is one simulation. Nothing in it runs concurrently.
type world struct {
	ctx    context.Context
	rng    *rand.Rand
	now    time.Time
	events events
	serial uint64
	odds   faults
	report Report
	failed error

	stores  Stores
	key     ed25519.PrivateKey
	codec   *wire.Codec
	primary *primaryNode
	members []*memberNode
	history *history
}

// Run runs the world of a seed and returns [ErrViolated] when a promise was broken.
func Run(ctx context.Context, seed uint64, stores Stores) (Report, error) {
	w := &world{
		ctx: ctx, rng: rand.New(rand.NewPCG(seed, 0x5eed)), now: time.Unix(1_700_000_000, 0).UTC(),
		stores: stores, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), history: newHistory(),
	}
	if err := w.build(); err != nil {
		return w.report, fmt.Errorf("simtest: seed %d: %w", seed, err)
	}
	end := w.now.Add(chaosTime)
	w.odds = w.drawOdds()
	w.runUntil(end)
	w.calm()
	w.runUntil(end.Add(quietTime))
	if w.failed == nil {
		w.checkEnd()
	}
	if w.failed != nil {
		return w.report, fmt.Errorf("simtest: seed %d: %w", seed, w.failed)
	}
	return w.report, nil
}

func (w *world) build() error {
	var err error
	if w.codec, err = wire.NewCodec(maxFrame); err != nil {
		return err
	}
	feed, err := w.stores.Feed()
	if err != nil {
		return err
	}
	w.primary = newPrimaryNode(w, feed)
	for i := range 1 + w.rng.IntN(4) {
		store, err := w.stores.Copy()
		if err != nil {
			return err
		}
		w.members = append(w.members, newMemberNode(w, i, store))
	}
	w.every(200*time.Millisecond, w.primary.work)
	w.every(interval/4, w.primary.tick)
	for _, m := range w.members {
		w.every(interval/4, m.tick)
	}
	return nil
}

func (w *world) drawOdds() faults {
	pick := func(odds ...float64) float64 { return odds[w.rng.IntN(len(odds))] }
	return faults{
		drop: pick(0, 0, 0.01, 0.1), double: pick(0, 0.01, 0.1), delay: pick(0, 0.01, 0.1),
		damage: pick(0, 0, 0.003), cut: pick(0, 0.002, 0.02), kill: pick(0, 0.002, 0.02),
	}
}

// calm ends all faults; who is down comes up, and entitlements stay.
func (w *world) calm() {
	w.odds = faults{}
	w.primary.calm()
	for _, m := range w.members {
		m.parted = false
	}
}

// chance decides about one fault.
func (w *world) chance(p float64) bool {
	hit := p > 0 && w.rng.Float64() < p
	if hit {
		w.report.Faults++
	}
	return hit
}

func (w *world) violate(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf("at %s: %s: %w", w.now.Format("15:04:05.000"), fmt.Sprintf(format, args...), ErrViolated)
	}
}

// note adds to the trace.
func (w *world) note(values ...uint64) {
	for _, v := range values {
		w.report.Trace = (w.report.Trace ^ v) * 0x100000001b3
	}
}

// event is something that will happen.
type event struct {
	at     time.Time
	serial uint64
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || (e[i].at.Equal(e[j].at) && e[i].serial < e[j].serial)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = slices.Delete(*e, len(*e)-1, len(*e))
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.serial++
	heap.Push(&w.events, event{at: w.now.Add(d), serial: w.serial, do: do})
}

func (w *world) every(d time.Duration, do func()) {
	w.after(d, func() {
		do()
		w.every(d, do)
	})
}

func (w *world) runUntil(end time.Time) {
	for w.failed == nil && len(w.events) > 0 && !w.events[0].at.After(end) {
		if err := w.ctx.Err(); err != nil {
			w.failed = err
			return
		}
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}
