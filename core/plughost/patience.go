package plughost

import (
	"sync"
	"time"
)

// maxStream bounds a whole stream, whatever it carries and whoever is slow: a
// listing of a million names behind a registry that grants few requests an
// hour has an end as well.
const maxStream = 12 * time.Hour

// patience runs out when a plugin that is waited for gives nothing for a while.
// It does not run while nobody waits: a consumer may take its time. It is safe
// for concurrent use.
type patience struct {
	limit time.Duration
	timer *time.Timer

	mu      sync.Mutex
	waiting int
	running bool
}

// newPatience returns a patience that calls spent once when it runs out.
func newPatience(limit time.Duration, spent func()) *patience {
	p := &patience{limit: limit, timer: time.AfterFunc(limit, spent)}
	p.timer.Stop()
	return p
}

// begin says that somebody waits for the plugin from now on.
func (p *patience) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting++; !p.running {
		p.running = true
		p.timer.Reset(p.limit)
	}
}

// end says that it was waited for long enough. Without progress the time runs
// on until the next begin: whoever got nothing cannot be busy with it.
func (p *patience) end(progress bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	switch {
	case !progress || !p.running:
	case p.waiting > 0:
		p.timer.Reset(p.limit)
	default:
		p.running = false
		p.timer.Stop()
	}
}

// progress says that the plugin did something while it may be waited for.
func (p *patience) progress() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running && p.waiting > 0 {
		p.timer.Reset(p.limit)
	}
}

// over ends it for good.
func (p *patience) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = true // so that nobody starts it again
	p.timer.Stop()
}
