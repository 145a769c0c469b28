package scanner

import (
	"context"
	"sync"

	"github.com/muster-sec/muster/scanner/inventory"
)

// LayerCache keeps the analyses of layers, so that a layer is read once however
// many images have it. Implementations must be safe for concurrent use; analyses
// are shared and never changed.
type LayerCache interface {
	// Get returns the analysis kept under the key, and false when there is none.
	Get(ctx context.Context, key inventory.LayerKey) (inventory.LayerAnalysis, bool, error)
	// Put keeps an analysis under its own key.
	Put(ctx context.Context, analysis inventory.LayerAnalysis) error
}

// NoCache is a LayerCache that keeps nothing.
type NoCache struct{}

var _ LayerCache = NoCache{}

// Get implements LayerCache and never finds anything.
func (NoCache) Get(context.Context, inventory.LayerKey) (inventory.LayerAnalysis, bool, error) {
	return inventory.LayerAnalysis{}, false, nil
}

// Put implements LayerCache and forgets.
func (NoCache) Put(context.Context, inventory.LayerAnalysis) error { return nil }

// MemoryCache is a LayerCache for the life of a process. It never forgets; it
// is meant for one command over a bounded list of images.
type MemoryCache struct {
	mu    sync.RWMutex
	known map[inventory.LayerKey]inventory.LayerAnalysis
}

var _ LayerCache = (*MemoryCache)(nil)

// NewMemoryCache returns an empty cache.
func NewMemoryCache() *MemoryCache {
	return &MemoryCache{known: map[inventory.LayerKey]inventory.LayerAnalysis{}}
}

// Get implements LayerCache.
func (c *MemoryCache) Get(_ context.Context, key inventory.LayerKey) (inventory.LayerAnalysis, bool, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	a, ok := c.known[key]
	return a, ok, nil
}

// Put implements LayerCache.
func (c *MemoryCache) Put(_ context.Context, analysis inventory.LayerAnalysis) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[analysis.Key] = analysis
	return nil
}

// keyLocks lets one goroutine at a time work on a layer.
type keyLocks struct {
	mu   sync.Mutex
	held map[inventory.LayerKey]chan struct{}
}

func newKeyLocks() *keyLocks { return &keyLocks{held: map[inventory.LayerKey]chan struct{}{}} }

// lock waits until nobody else holds the key, or until the context ends.
func (l *keyLocks) lock(ctx context.Context, key inventory.LayerKey) (unlock func(), err error) {
	for {
		l.mu.Lock()
		released, busy := l.held[key]
		if !busy {
			released = make(chan struct{})
			l.held[key] = released
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, key)
				l.mu.Unlock()
				close(released)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-released:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
