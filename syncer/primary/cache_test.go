package primary_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/primary"
	"github.com/muster-sec/muster/syncer/wire"
)

// press makes batches of a size and counts them.
type press struct {
	mu    sync.Mutex
	head  syncer.Head
	epoch uint64
	made  map[uint64]int
	size  int
	fail  error
	gate  chan struct{}
}

func (p *press) Batch(_ context.Context, s syncer.Stream, after uint64) (primary.Sealed, error) {
	if p.gate != nil {
		<-p.gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[after]++
	head := p.head
	head.Stream = s
	to := min(after+10, head.Revision)
	return primary.Sealed{Frame: wire.Frame{Body: make([]byte, p.size)}, Epoch: p.epoch, To: to, Head: head}, p.fail
}

func newPress() *press {
	return &press{head: syncer.Head{Revision: 25}, epoch: 1, made: map[uint64]int{}, size: 10}
}

func rules() syncer.Stream { return syncer.Stream{Scope: "all"} }

func fetch(t *testing.T, c *primary.Cache, after, least uint64) primary.Sealed {
	t.Helper()
	b, err := c.Batch(t.Context(), primary.Fetch{Stream: rules(), After: after, Least: least})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCacheMakesABatchOnceForAll(t *testing.T) {
	t.Parallel()
	p := newPress()
	p.gate = make(chan struct{})
	c := primary.NewCache(p, 1<<20)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := c.Batch(context.Background(), primary.Fetch{Stream: rules()}); err != nil {
				t.Error(err)
			}
		})
	}
	close(p.gate)
	all.Wait()
	if p.made[0] != 1 {
		t.Errorf("the batch was made %d times", p.made[0])
	}
}

func TestCacheForgetsWhatIsNotGoodAnyMore(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		then  func(*press)
		after uint64
		least uint64
		made  int
	}{
		{"nothing happened", func(*press) {}, 20, 0, 1},
		{"head moved, batch was final", func(p *press) { p.head.Revision = 30 }, 20, 0, 2},
		{"head moved, batch was not final", func(p *press) { p.head.Revision = 30 }, 0, 0, 1},
		{"head moved, member has seen it", func(p *press) { p.head.Revision = 30 }, 0, 30, 2},
		{"tombstones were collected", func(p *press) { p.head.Floor = 5 }, 0, 0, 2},
		{"epoch changed", func(p *press) { p.epoch = 2 }, 0, 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPress()
			c := primary.NewCache(p, 1<<20)
			head := p.head
			head.Stream = rules()
			c.Heads(p.epoch, []syncer.Head{head})
			fetch(t, c, tt.after, 0)
			tt.then(p)
			head = p.head
			head.Stream = rules()
			c.Heads(p.epoch, []syncer.Head{head})
			fetch(t, c, tt.after, tt.least)
			if p.made[tt.after] != tt.made {
				t.Errorf("made %d times, want %d", p.made[tt.after], tt.made)
			}
		})
	}
}

func TestCacheKeepsWithinItsRoom(t *testing.T) {
	t.Parallel()
	p := newPress()
	p.size = 1000
	p.head.Revision = 10_000
	c := primary.NewCache(p, 3500)
	for after := range uint64(10) {
		fetch(t, c, after, 0)
	}
	for after := uint64(7); after < 10; after++ {
		fetch(t, c, after, 0)
	}
	fetch(t, c, 0, 0)
	if p.made[0] != 2 || p.made[7] != 1 || p.made[9] != 1 {
		t.Errorf("made %v: want the latest three kept", p.made)
	}
}

func TestCacheDoesNotKeepFailures(t *testing.T) {
	t.Parallel()
	p := newPress()
	p.fail = errors.New("disk")
	c := primary.NewCache(p, 1<<20)
	for i := range 3 {
		if _, err := c.Batch(t.Context(), primary.Fetch{Stream: rules()}); !errors.Is(err, p.fail) {
			t.Errorf("error %v", err)
		}
		if p.made[0] != i+1 {
			t.Errorf("made %s", fmt.Sprint(p.made))
		}
	}
}
