package wire

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxBlind is how long a budget without a time of reset counts as used up.
	// Then one request finds out.
	maxBlind = 10 * time.Minute
	// firstUnixTime is where numbers begin to be points in time: some registries
	// tell the seconds until the reset, others when it is.
	firstUnixTime = 1_000_000_000
	maxAllowances = 64
)

// budgets remembers what the answers of registries tell of the requests that
// are left: RateLimit-Remaining and its relatives. Docker Hub counts the pulls
// of manifests apart from the calls of its API and counts no HEAD; so do we.
type budgets struct {
	mu   sync.Mutex
	left map[string]allowance // by host and what is counted
}

// allowance is what is left of a budget, and until when that is true.
type allowance struct {
	remaining int
	until     time.Time
}

func counted(req *http.Request) string {
	if strings.Contains(req.URL.Path, "/manifests/") {
		return req.URL.Host + " pulls"
	}
	return req.URL.Host
}

// free says that a request costs nothing.
func free(req *http.Request) bool {
	return req.Method == http.MethodHead && strings.Contains(req.URL.Path, "/manifests/")
}

// wait returns how long a request has to wait until the budget is filled again.
func (b *budgets) wait(req *http.Request, now time.Time) time.Duration {
	if free(req) {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.left[counted(req)]
	switch {
	case !ok:
		return 0
	case !now.Before(a.until):
		delete(b.left, counted(req))
		return 0
	case a.remaining > 0:
		a.remaining-- // as far as we know until the answer says it
		b.left[counted(req)] = a
		return 0
	default:
		return a.until.Sub(now)
	}
}

// note takes over what an answer says.
func (b *budgets) note(req *http.Request, h http.Header, now time.Time) {
	a, ok := readAllowance(h, now)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.left) >= maxAllowances {
		clear(b.left)
	}
	b.left[counted(req)] = a
}

// readAllowance reads the headers of the three conventions: RateLimit with its
// parameters r and t (draft-ietf-httpapi-ratelimit-headers), RateLimit-Remaining
// and RateLimit-Reset (its earlier versions, GitLab, Docker Hub), and the same
// names with X- before them (GitHub, Docker Hub's API).
func readAllowance(h http.Header, now time.Time) (allowance, bool) {
	if r, ok := parameter(h.Get("RateLimit"), "r"); ok {
		t, ok := parameter(h.Get("RateLimit"), "t")
		return allowance{r, now.Add(time.Duration(t) * time.Second)}, ok
	}
	for _, prefix := range []string{"RateLimit-", "X-RateLimit-"} {
		text := h.Get(prefix + "Remaining")
		first, _, _ := strings.Cut(text, ";")
		remaining, ok := number(first)
		if !ok {
			continue
		}
		if reset, ok := number(h.Get(prefix + "Reset")); ok {
			return allowance{remaining, resetTime(reset, now)}, true
		}
		window, ok := parameter(text, "w")
		return allowance{remaining, now.Add(min(time.Duration(window)*time.Second, maxBlind))}, ok
	}
	return allowance{}, false
}

func resetTime(n int, now time.Time) time.Time {
	if n >= firstUnixTime {
		return time.Unix(int64(n), 0)
	}
	return now.Add(time.Duration(n) * time.Second)
}

// parameter finds ";name=NUMBER" in a header's value.
func parameter(value, name string) (int, bool) {
	for part := range strings.SplitSeq(value, ";") {
		if key, text, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(key, name) {
			return number(text)
		}
	}
	return 0, false
}

// number reads a count that fits into 32 bits, as all honest ones do.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	return int(n), err == nil
}
