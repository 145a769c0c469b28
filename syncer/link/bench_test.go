package link_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/wire"

	"context"
)

// landing is a member store that reports each rule as it becomes durable.
type landing struct {
	*memstore.Member
	landed func()
}

func (l landing) Apply(ctx context.Context, c syncer.Change) (syncer.Hash, error) {
	root, err := l.Member.Apply(ctx, c)
	if err == nil && len(c.Put) > 0 {
		l.landed()
	}
	return root, err
}

// BenchmarkFanout measures one rule change from the return of the write until the
// last of all members has applied it, over real TLS sessions on loopback.
func BenchmarkFanout(b *testing.B) {
	for _, members := range []int{100, 1000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) { fanout(b, members) })
	}
}

func fanout(b *testing.B, members int) {
	opts := link.Options{Interval: 5 * time.Second}
	f := start(b, memstore.NewPrimary(priority(), 1), opts)
	f.write(b, record("rule", 0, "first"))
	codec, err := wire.NewCodec(1 << 20)
	check(b, err)
	var (
		mu      sync.Mutex
		elapsed []time.Duration
		began   time.Time
		round   sync.WaitGroup
		all     []*cluster
	)
	landed := func() {
		mu.Lock()
		elapsed = append(elapsed, time.Since(began))
		mu.Unlock()
		round.Done()
	}
	round.Add(members)
	for i := range members {
		all = append(all, f.join(b, fmt.Sprintf("m%04d", i), func(cfg *link.AgentConfig) {
			cfg.Codec = codec
			cfg.Store = landing{memstore.NewMember(), landed}
		}))
	}
	round.Wait()
	wait(b, "all members", func() bool {
		return !slices.ContainsFunc(f.hub.Status(), func(s link.MemberStatus) bool { return !s.Synced })
	})
	elapsed = nil
	for i := 0; b.Loop(); i++ {
		_, err := f.store.Write(b.Context(), record("rule", i%100, fmt.Sprintf("change %d of a rule of ordinary length", i)))
		check(b, err)
		round.Add(members)
		mu.Lock()
		began = time.Now()
		mu.Unlock()
		f.hub.Wake()
		round.Wait()
	}
	slices.Sort(elapsed)
	b.ReportMetric(float64(elapsed[len(elapsed)/2].Microseconds())/1000, "ms/p50")
	b.ReportMetric(float64(elapsed[len(elapsed)*99/100].Microseconds())/1000, "ms/p99")
}

// BenchmarkFirstSync measures a new member of a federation with 10,000 results.
func BenchmarkFirstSync(b *testing.B) {
	store := memstore.NewPrimary(priority(), 1)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		_, err := store.Write(b.Context(),
			record("verdict", i, text(rng, 300)), record("list", i, text(rng, 2500)), record("detail", i, text(rng, 4000)))
		check(b, err)
	}
	f := start(b, store, link.Options{})
	verdicts := priority().Stream("all", "verdict")
	head := func(s syncer.Stream) (root syncer.Hash) {
		check(b, store.View(b.Context(), s, func(v syncer.View) error { root = v.Head().Root; return nil }))
		return root
	}
	want := head(verdicts)
	var first, whole time.Duration
	rounds := 0
	for ; b.Loop(); rounds++ {
		began := time.Now()
		c := f.join(b, fmt.Sprintf("m%d", rounds))
		wait(b, "verdicts", func() bool { root, err := c.store.Root(verdicts); return err == nil && root == want })
		first += time.Since(began)
		wait(b, "everything", func() bool { return f.equal(c) })
		whole += time.Since(began)
		c.stop()
	}
	b.ReportMetric(first.Seconds()*1000/float64(rounds), "ms/verdicts")
	b.ReportMetric(whole.Seconds()*1000/float64(rounds), "ms/everything")
}

// text returns words that compress like findings do.
func text(rng *rand.Rand, size int) string {
	buf := make([]byte, 0, size+16)
	for len(buf) < size {
		buf = fmt.Appendf(buf, "CVE-%d-%d HIGH fixed;", 2015+rng.IntN(11), rng.IntN(50_000))
	}
	return string(buf)
}
