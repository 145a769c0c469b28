package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// MaxAnswer is how many bytes one answer may have.
	MaxAnswer = 16 << 20

	maxTries = 4
	// maxWait is what a registry may ask for and get, in all, for one request:
	// a host ends a listing that is silent for longer than a call may take.
	maxWait       = 2 * time.Minute
	worthSaying   = time.Second // waits from this on are logged
	dialTimeout   = 15 * time.Second
	answerTimeout = 60 * time.Second
	maxHeaders    = 256 << 10
)

// ErrPlain says that a request would have left without encryption.
var ErrPlain = errors.New("plain http is refused, because the url of the registry says https")

// Options are what a Transport is made from.
type Options struct {
	Plain   bool           // http is allowed
	Direct  bool           // never through a proxy
	Roots   *x509.CertPool // nil means the system's
	Manners Manners
	Env     Env
}

// Transport is the lowest layer of every request to one registry, the token
// service's included. It refuses plain http unless it was asked for, bounds the
// size of answers and the number and rate of requests, keeps to the budget that
// answers tell, and waits when the registry says so and the call has the time.
// It is safe for concurrent use.
type Transport struct {
	next    http.RoundTripper
	idle    func()
	plain   bool
	env     Env
	slots   chan struct{}
	pace    *rate.Limiter
	budgets budgets
	holds   holds
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a transport with connections of its own.
func New(o Options) *Transport {
	wire := http.DefaultTransport.(*http.Transport).Clone()
	wire.TLSClientConfig = &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}
	wire.TLSHandshakeTimeout = dialTimeout
	wire.ResponseHeaderTimeout = answerTimeout
	wire.MaxResponseHeaderBytes = maxHeaders
	if o.Direct {
		wire.Proxy = nil
	}
	slots := o.Manners.Concurrency
	if slots == 0 {
		slots = defaultConcurrency
	}
	wire.MaxIdleConnsPerHost = slots
	pace := rate.Limit(o.Manners.RequestsPerSecond)
	if pace == 0 {
		pace = rate.Inf
	}
	return &Transport{
		next: wire, idle: wire.CloseIdleConnections, plain: o.Plain, env: o.Env,
		slots: make(chan struct{}, slots), pace: rate.NewLimiter(pace, 1),
		budgets: budgets{left: map[string]allowance{}}, holds: holds{until: map[string]time.Time{}},
	}
}

// CloseIdle closes the connections that are not in use.
func (t *Transport) CloseIdle() { t.idle() }

// RoundTrip makes one request, several times if need be. The slot that the
// request takes up is free again when the body of the answer is closed.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !t.plain {
		return nil, ErrPlain
	}
	var waited time.Duration
	for try := 1; ; try++ {
		resp, err := t.once(req)
		if err != nil {
			return nil, err
		}
		wait, asked := t.asksToWait(resp, try)
		if asked {
			t.holds.note(req.URL.Host, t.env.Now().Add(wait))
		}
		if !asked || try == maxTries || !repeatable(req) || waited+wait > maxWait || !t.worthwhile(req.Context(), wait) {
			return resp, nil
		}
		waited += wait
		resp.Body.Close()
		if err := t.rewind(req); err != nil {
			return nil, err
		}
		if err := t.Wait(req.Context(), wait, req.URL.Host, "HTTP "+resp.Status); err != nil {
			return nil, err
		}
	}
}

// once makes one request when its turn has come.
func (t *Transport) once(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := t.allowed(req); err != nil {
		return nil, err
	}
	if wait := t.budgets.wait(req, t.env.Now()); wait > 0 {
		if !t.worthwhile(ctx, wait) {
			return nil, &sdk.RetryError{After: wait, Err: fmt.Errorf("the budget of requests that %s grants is used up", req.URL.Host)}
		}
		if err := t.Wait(ctx, wait, req.URL.Host, "request budget used up"); err != nil {
			return nil, err
		}
	}
	now := t.env.Now()
	if wait := t.pace.ReserveN(now, 1).DelayFrom(now); wait > 0 {
		if err := t.Wait(ctx, wait, req.URL.Host, "setting requests_per_second"); err != nil {
			return nil, err
		}
	}
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := sync.OnceFunc(func() { <-t.slots })
	if err := t.allowed(req); err != nil { // said to another request meanwhile
		release()
		return nil, err
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		release()
		return nil, err
	}
	t.budgets.note(req, resp.Header, t.env.Now())
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: MaxAnswer, release: release}
	return resp, nil
}

// allowed waits while the host wants to be left alone, which it may have said to
// another request. It fails at once when the call has no time for that, and
// after some waits, because the host may say it to others again and again.
func (t *Transport) allowed(req *http.Request) error {
	for waits := 0; ; waits++ {
		wait := t.holds.left(req.URL.Host, t.env.Now())
		if wait <= 0 {
			return nil
		}
		if waits == maxTries || !t.worthwhile(req.Context(), wait) {
			return &sdk.RetryError{After: wait, Err: fmt.Errorf("%s asked to be left alone", req.URL.Host)}
		}
		if err := t.Wait(req.Context(), wait, req.URL.Host, "asked to be left alone"); err != nil {
			return err
		}
	}
}

// Wait waits for host, and says so and why if it takes a while. It returns the
// context's error when the call ends before.
func (t *Transport) Wait(ctx context.Context, d time.Duration, host, why string) error {
	if d >= worthSaying {
		t.env.Log().InfoContext(ctx, "waiting for the registry", "host", host, "reason", why, "wait_ms", d.Milliseconds())
	}
	return t.env.Sleep(ctx, d)
}

// BackOff returns how long to wait after the given failed try, counted from 1,
// when the registry does not say it: longer each time, and never twice the same.
func (t *Transport) BackOff(try int) time.Duration {
	return t.env.Jitter(time.Second << min(max(try-1, 0), 5))
}

// asksToWait says how long to wait before the next try of a request that failed
// because of load: what Retry-After says, or else a little longer each time.
func (t *Transport) asksToWait(resp *http.Response, try int) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	if wait, ok := RetryAfter(resp.Header, t.env.Now()); ok {
		return wait, true
	}
	return t.BackOff(try), true
}

// RetryAfter reads the header of that name (RFC 9110, 10.2.3): seconds or a date.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if n, ok := number(value); ok {
		if n >= firstUnixTime {
			return max(time.Unix(int64(n), 0).Sub(now), 0), true // against the RFC, and seen
		}
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// worthwhile says whether the call still has time after a wait.
func (t *Transport) worthwhile(ctx context.Context, wait time.Duration) bool {
	if wait > maxWait {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || t.env.Now().Add(wait).Before(deadline)
}

type repeatableKey struct{}

// Repeatable marks the requests of ctx as ones that may be made again although
// they are POSTs, because they only read.
func Repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

func repeatable(req *http.Request) bool {
	switch {
	case req.Method == http.MethodGet || req.Method == http.MethodHead:
		return true
	default:
		return req.Context().Value(repeatableKey{}) != nil && (req.Body == nil || req.GetBody != nil)
	}
}

func (t *Transport) rewind(req *http.Request) (err error) {
	if req.GetBody != nil {
		req.Body, err = req.GetBody()
	}
	return err
}

// boundedBody fails where an answer becomes too large.
type boundedBody struct {
	io.ReadCloser
	left    int
	release func()
}

// Read reads, up to the limit.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("%w: the registry's answer has more than %d bytes", sdk.ErrLimit, MaxAnswer)
	}
	return n, err
}

// Close closes the body, and lets the next request begin.
func (b *boundedBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}
