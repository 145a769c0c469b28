package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxAnswer = 16 << 20 // bytes of one answer
	maxTries  = 4
	maxWait   = 2 * time.Minute // that a registry may ask for and get
)

// bounded is the lowest layer of every request, the token service's included.
// It refuses plain http unless it was asked for, bounds the size of answers,
// and waits when a registry says so and the call has the time.
type bounded struct {
	next  http.RoundTripper
	plain bool
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

var errPlain = errors.New("plain http is refused, because the url of the registry says https")

// RoundTrip makes one request, several times if need be.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !b.plain {
		return nil, errPlain
	}
	for try := 1; ; try++ {
		resp, err := b.next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		wait, asked := b.asksToWait(resp)
		if !asked || try == maxTries || !b.worthwhile(req, wait) {
			resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
			return resp, nil
		}
		resp.Body.Close()
		if err := b.sleep(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// asksToWait reads Retry-After (RFC 9110, 10.2.3) of an answer that is about
// load: seconds or a date.
func (b *bounded) asksToWait(resp *http.Response) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	return retryAfter(resp.Header, b.now())
}

func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < 1<<31 {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(t.Sub(now), 0), true
	}
	return 0, false
}

// worthwhile says whether a request can be made again after the wait.
func (b *bounded) worthwhile(req *http.Request, wait time.Duration) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || wait > maxWait {
		return false
	}
	deadline, ok := req.Context().Deadline()
	return !ok || b.now().Add(wait).Before(deadline)
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// boundedBody fails where an answer becomes too large.
type boundedBody struct {
	io.ReadCloser
	left int
}

// Read reads, up to the limit.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("%w: the registry's answer has more than %d bytes", sdk.ErrLimit, maxAnswer)
	}
	return n, err
}

func isBearer(c *transport.Challenge) bool { return strings.EqualFold(c.Scheme, "bearer") }

// explain gives an error of a request its kind, and a text that says what to do
// where that is known.
func explain(err error) error {
	var answer *transport.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return explainStatus(err, answer.StatusCode)
	case errors.Is(err, sdk.ErrLimit), errors.Is(err, sdk.ErrInvalid), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case strings.Contains(err.Error(), "x509: certificate signed by unknown authority"):
		return fmt.Errorf("%w: %w; put the registry's CA certificate into the setting `ca`", sdk.ErrUnavailable, err)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w: %w; if the registry has no TLS, its url begins with http://", sdk.ErrUnavailable, err)
	case errors.Is(err, errPlain):
		return fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	default:
		return fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
}

func explainStatus(err error, status int) error {
	switch {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", sdk.ErrUnauthorized, err)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", sdk.ErrDenied, err)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %w", sdk.ErrNotFound, err)
	case status == http.StatusTooManyRequests || status >= 500:
		return fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	default:
		return fmt.Errorf("unexpected answer: %w", err)
	}
}
