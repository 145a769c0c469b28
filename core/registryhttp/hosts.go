package registryhttp

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

const (
	// defaultConcurrency is how many requests a host gets at a time when its
	// registry's settings do not say it.
	defaultConcurrency = 16
	// longestHold bounds what a registry may ask for: a header must not put a
	// registry off for good.
	longestHold = 6 * time.Hour
	// defaultHold is for refusals that do not say until when.
	defaultHold = 30 * time.Second
	// maxHosts bounds what is remembered; hosts come from settings.
	maxHosts = 1024
)

// Hosts remembers, for each host, what of it is in use and until when it wants
// to be left alone. The zero value is not usable; it is safe for concurrent use.
type Hosts struct {
	now func() time.Time

	mu    sync.Mutex
	hosts map[string]*host
}

// NewHosts makes an empty memory. now is the clock by which holds end.
func NewHosts(now func() time.Time) *Hosts { return &Hosts{now: now, hosts: map[string]*host{}} }

// host is what is known of one host.
type host struct {
	slots chan struct{}
	pace  *rate.Limiter

	mu    sync.Mutex
	until time.Time // no request before
	why   string
}

// of returns what is known of a registry's host, under the manners of its
// settings. Changed settings begin anew; a hold stays.
func (h *Hosts) of(name string, m manners) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.hosts[name]
	if known != nil && cap(known.slots) == m.concurrency && known.pace.Limit() == m.pace {
		return known
	}
	if len(h.hosts) >= maxHosts {
		clear(h.hosts)
	}
	fresh := &host{slots: make(chan struct{}, m.concurrency), pace: rate.NewLimiter(m.pace, 1)}
	if known != nil {
		fresh.until, fresh.why = known.held()
	}
	h.hosts[name] = fresh
	return fresh
}

func (h *host) held() (time.Time, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until, h.why
}

// hold notes that the host wants no request before a time.
func (h *host) hold(until time.Time, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.until) {
		h.until, h.why = until, why
	}
}

// enter waits for the turn of a request: for its place in the rate and for a
// free slot. It fails at once while the host is held.
func (h *host) enter(ctx context.Context, now func() time.Time) error {
	if until, why := h.held(); until.After(now()) {
		return fault.New(fault.Unavailable, "not asked before %s: %s", until.UTC().Format(time.RFC3339), why).WithRetryAfter(until.Sub(now()))
	}
	if err := h.pace.Wait(ctx); err != nil {
		return fmt.Errorf("wait for requests_per_second: %w", err)
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *host) leave() { <-h.slots }

// manners are the settings that every kind of registry may have.
type manners struct {
	concurrency int
	pace        rate.Limit
}

func mannersOf(r model.Registry) manners {
	m := manners{defaultConcurrency, rate.Inf}
	if n, ok := r.Settings["concurrency"].(float64); ok && n >= 1 {
		m.concurrency = int(min(n, 256))
	}
	if n, ok := r.Settings["requests_per_second"].(float64); ok && n > 0 {
		m.pace = rate.Limit(n)
	}
	return m
}

// retryAfter reads the header of that name (RFC 9110, 10.2.3): seconds or a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}
