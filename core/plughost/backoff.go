package plughost

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Back-off and circuit breaker of restarts.
const (
	firstBackoff  = 500 * time.Millisecond
	maxBackoff    = 2 * time.Minute
	breakerWindow = 10 * time.Minute
	breakerLimit  = 5 // this many ends within the window open the circuit
	// permanentRetry is when a plugin that cannot be started as it is (wrong
	// checksum, wrong protocol) is looked at again.
	permanentRetry = time.Minute
)

// breaker remembers how often a plugin ended and decides when it is started
// again. It has no clock of its own and is not safe for concurrent use.
type breaker struct {
	ends []time.Time // within the window, oldest first
}

// ended notes an unexpected end and returns how long to wait, and whether the
// circuit is open: then nothing is started until the wait is over.
func (b *breaker) ended(now time.Time) (wait time.Duration, open bool) {
	b.ends = append(b.ends, now)
	b.ends = slices.DeleteFunc(b.ends, func(t time.Time) bool { return now.Sub(t) >= breakerWindow })
	if len(b.ends) >= breakerLimit {
		return b.ends[len(b.ends)-breakerLimit].Add(breakerWindow).Sub(now), true
	}
	wait = min(firstBackoff<<(2*(len(b.ends)-1)), maxBackoff)
	// Between half and the whole of it, so that plugins that fell together do
	// not rise together.
	return wait/2 + rand.N(wait/2), false
}
