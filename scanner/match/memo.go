package match

import "sync"

// memo remembers the results of a function by key and computes each once, also
// when several goroutines ask at the same time. Errors are not remembered. The
// zero value is ready.
type memo[K comparable, V any] struct{ cells sync.Map }

type cell[V any] struct {
	mu   sync.Mutex
	done bool
	v    V
}

func (m *memo[K, V]) get(key K, compute func() (V, error)) (V, error) {
	found, ok := m.cells.Load(key)
	if !ok {
		found, _ = m.cells.LoadOrStore(key, &cell[V]{})
	}
	c := found.(*cell[V])
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return c.v, nil
	}
	v, err := compute()
	if err == nil {
		c.v, c.done = v, true
	}
	return v, err
}
