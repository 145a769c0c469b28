package primary

import (
	"container/list"
	"context"
	"sync"

	"github.com/muster-sec/muster/syncer"
)

// Batcher makes batches; [Sealer] is one.
type Batcher interface {
	Batch(ctx context.Context, stream syncer.Stream, after uint64) (Sealed, error)
}

// Cache shares batches between members. Members at the same position ask for the
// same batch; while one of them waits for it to be made, the others wait with it.
// It is safe for concurrent use and holds a bounded number of bytes.
type Cache struct {
	from Batcher
	room int

	mu      sync.Mutex
	size    int
	recent  *list.List // of *slot, the least recently used at the back
	slots   map[slotKey]*list.Element
	current map[syncer.Stream]generation
}

type slotKey struct {
	stream syncer.Stream
	after  uint64
}

// generation is what a batch depends on beside its position.
type generation struct {
	epoch uint64
	head  syncer.Head
}

type slot struct {
	key  slotKey
	made chan struct{}
	// What follows is written before made is closed.
	batch Sealed
	err   error
}

// NewCache returns a cache that keeps about room bytes of batches.
func NewCache(from Batcher, room int) *Cache {
	return &Cache{
		from: from, room: room, recent: list.New(),
		slots: map[slotKey]*list.Element{}, current: map[syncer.Stream]generation{},
	}
}

// Heads tells the cache the current state of the feed, which decides what of it is
// still good.
func (c *Cache) Heads(epoch uint64, heads []syncer.Head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range heads {
		c.current[h.Stream] = generation{epoch, h}
	}
}

// Batch returns a batch as f asks for it.
func (c *Cache) Batch(ctx context.Context, f Fetch) (Sealed, error) {
	for {
		s, mine := c.slot(slotKey{f.Stream, f.After})
		if mine {
			s.batch, s.err = c.from.Batch(ctx, f.Stream, f.After)
			c.settle(s)
			return s.batch, s.err
		}
		select {
		case <-s.made:
		case <-ctx.Done():
			return Sealed{}, ctx.Err()
		}
		if s.err == nil && s.batch.Head.Revision >= f.Least && c.good(s) {
			return s.batch, nil
		}
		c.drop(s) // stale, or its maker failed, perhaps for reasons of its own
	}
}

// slot returns the slot for key; mine says that the caller is to fill it.
func (c *Cache) slot(key slotKey) (s *slot, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.slots[key]; ok {
		c.recent.MoveToFront(e)
		return e.Value.(*slot), false
	}
	s = &slot{key: key, made: make(chan struct{})}
	c.slots[key] = c.recent.PushFront(s)
	return s, true
}

// settle publishes a filled slot and makes room for it.
func (c *Cache) settle(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(s.made)
	if s.err != nil {
		c.remove(s)
		return
	}
	c.size += s.batch.Frame.Size()
	for e := c.recent.Back(); e != nil && c.size > c.room; {
		older := e.Prev()
		if old := e.Value.(*slot); old.settled() {
			c.remove(old)
		}
		e = older
	}
}

func (s *slot) settled() bool {
	select {
	case <-s.made:
		return true
	default:
		return false
	}
}

func (c *Cache) drop(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(s)
}

func (c *Cache) remove(s *slot) {
	if e, ok := c.slots[s.key]; ok && e.Value.(*slot) == s {
		c.recent.Remove(e)
		delete(c.slots, s.key)
		if s.err == nil {
			c.size -= s.batch.Frame.Size()
		}
	}
}

// good reports whether a batch may still be sent. One that ends before the head is
// good until a tombstone is collected that it may not know of; one that reached
// the head is good until the head moves.
func (c *Cache) good(s *slot) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, ok := c.current[s.key.stream]
	switch {
	case !ok:
		return true
	case s.batch.Epoch < now.epoch, s.batch.Head.Floor < now.head.Floor:
		return false
	}
	final := s.batch.To == s.batch.Head.Revision
	return !final || s.batch.Head.Revision >= now.head.Revision
}
