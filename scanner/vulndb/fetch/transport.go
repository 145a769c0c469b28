package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// tries is how often one request is made in all, firstPause how long the first
	// pause is when the server does not say, maxPause what is waited at most: a
	// server that wants more is passed over for the next one.
	tries      = 4
	firstPause = time.Second
	maxPause   = 2 * time.Minute
	// maxDrained bounds what is read of a refusal to use its connection again.
	maxDrained = 64 << 10
)

// politeTransport repeats requests that a server could not answer now, when the
// server wants them (Retry-After), and refuses to leave TLS.
type politeTransport struct {
	next  http.RoundTripper
	plain bool
	now   func() time.Time
	wait  func(context.Context, time.Duration) error
}

func (u *Updater) transport(plain bool) http.RoundTripper {
	return &politeTransport{next: u.options.Transport, plain: plain, now: u.options.Now, wait: u.options.Wait}
}

// RoundTrip implements http.RoundTripper.
func (t *politeTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !t.plain {
		return nil, fmt.Errorf("%w: %s://%s", ErrInsecure, req.URL.Scheme, req.URL.Host)
	}
	pause := firstPause
	for n := 1; ; n++ {
		resp, err := t.next.RoundTrip(req)
		if err != nil || n == tries || !later(resp.StatusCode) || req.Body != nil && req.Body != http.NoBody {
			return resp, err
		}
		asked, ok := retryAfter(resp.Header.Get("Retry-After"), t.now())
		if !ok {
			asked, pause = pause, 2*pause
		}
		if asked > maxPause {
			return resp, nil
		}
		if _, err := io.CopyN(io.Discard, resp.Body, maxDrained); err != nil && err != io.EOF {
			return nil, err
		}
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		if err := t.wait(req.Context(), asked); err != nil {
			return nil, err
		}
	}
}

// later reports whether the same request may be answered at another time.
func later(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3).
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 1<<30)) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}
