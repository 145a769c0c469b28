package plughost

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	var b breaker
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i, longest := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 8 * time.Second, 32 * time.Second} {
		wait, open := b.ended(now)
		if open || wait < longest/2 || wait > longest {
			t.Errorf("end %d: wait %s (at most %s), open %v", i+1, wait, longest, open)
		}
		now = now.Add(time.Minute)
	}
	wait, open := b.ended(now)
	if !open || wait != 6*time.Minute { // until the first end is ten minutes ago
		t.Errorf("fifth end: wait %s, open %v", wait, open)
	}
	if wait, open := b.ended(now.Add(wait)); !open || wait != time.Minute {
		t.Errorf("failing again when the circuit closes: wait %s, open %v", wait, open)
	}
	if wait, open := b.ended(now.Add(time.Hour)); open || wait > firstBackoff {
		t.Errorf("after a good hour: wait %s, open %v", wait, open)
	}
}

// TestBackoffDiffers: plugins that fell together do not rise together.
func TestBackoffDiffers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	waits := map[time.Duration]bool{}
	for range 20 {
		var b breaker
		wait, _ := b.ended(now)
		waits[wait] = true
	}
	if len(waits) < 10 {
		t.Errorf("of 20 plugins that fell at once only %d rise at different times", len(waits))
	}
}
