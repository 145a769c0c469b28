package wire

import (
	"sync"
	"time"
)

// holds remembers until when hosts want to be left alone (429, 503), so that
// one refusal holds back every request and not only its own repetition.
type holds struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// note takes over what a host said; of several times the latest counts.
func (h *holds) note(host string, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.until) >= maxAllowances {
		clear(h.until)
	}
	if until.After(h.until[host]) {
		h.until[host] = until
	}
}

// left is for how long a host wants to be left alone.
func (h *holds) left(host string, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := h.until[host].Sub(now)
	if left <= 0 {
		delete(h.until, host)
		return 0
	}
	return left
}
