package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-sec/muster/plugins/sdk"
)

// TestOneRefusalHoldsBackAll: fifty requests to a host that says "later" are
// not fifty refusals, whether the calls have the time to wait or not.
func TestOneRefusalHoldsBackAll(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		patience time.Duration // of the calls
		header   string
		refused  int // calls that fail
	}{
		"calls that wait":       {time.Hour, "60", 0},
		"calls without time":    {5 * time.Second, "60", 50},
		"longer than calls may": {time.Hour, "7200", 50},
		"no time told":          {time.Hour, "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := New(Options{Manners: Manners{Concurrency: 4}, Env: env(io.Discard)})
				begin := time.Now()
				var refusals atomic.Int32
				tr.next = roundTripper(func(req *http.Request) (*http.Response, error) {
					<-time.After(10 * time.Millisecond) // on the way, in the time of the bubble
					answer := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: req}
					if time.Since(begin) < 500*time.Millisecond {
						refusals.Add(1)
						answer.StatusCode = 429
						if tt.header != "" {
							answer.Header.Set("Retry-After", tt.header)
						}
					}
					return answer, nil
				})
				failures := make(chan bool)
				for range 50 {
					go func() {
						ctx, cancel := context.WithTimeout(t.Context(), tt.patience)
						defer cancel()
						req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://r.example/v2/a/manifests/1", nil)
						if err != nil {
							t.Error(err)
						}
						resp, err := tr.RoundTrip(req)
						if err == nil {
							err = resp.Body.Close()
						}
						_, later := sdk.RetryAfter(err)
						if err != nil && (!later || !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(err.Error(), "left alone")) {
							t.Errorf("%v does not say when to try again", err)
						}
						failures <- err != nil || resp.StatusCode != 200
					}()
				}
				failed := 0
				for range 50 {
					if <-failures {
						failed++
					}
				}
				if failed != tt.refused || refusals.Load() > 4 {
					t.Errorf("%d calls failed, want %d, after %d refusals, want at most one for each slot", failed, tt.refused, refusals.Load())
				}
			})
		})
	}
}
