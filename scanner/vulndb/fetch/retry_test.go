package fetch_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

// TestRetryAfter is about servers that want to be asked later.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header string
		status int
		times  int
		waits  []time.Duration
		ok     bool
	}{
		"seconds":    {"7", http.StatusTooManyRequests, 2, []time.Duration{7 * time.Second, 7 * time.Second}, true},
		"date":       {day(23).Add(time.Minute).Format(http.TimeFormat), http.StatusServiceUnavailable, 1, []time.Duration{time.Minute}, true},
		"no word":    {"", http.StatusTooManyRequests, 2, []time.Duration{time.Second, 2 * time.Second}, true},
		"nonsense":   {"soon", http.StatusBadGateway, 1, []time.Duration{time.Second}, true},
		"too long":   {"86400", http.StatusTooManyRequests, 1, nil, false},
		"never":      {"1", http.StatusTooManyRequests, 100, []time.Duration{time.Second, time.Second, time.Second}, false},
		"not at all": {"1", http.StatusForbidden, 1, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			repository := s.push(t, "db", layerType, good(t, day(20)))
			left := c.times
			s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				if !strings.Contains(r.URL.Path, "/manifests/") || left == 0 {
					return false
				}
				left--
				w.Header().Set("Retry-After", c.header)
				w.WriteHeader(c.status)
				return true
			})
			var waits []time.Duration
			u := updater(t, t.TempDir(), fetch.Options{Repositories: []string{repository}, Wait: func(_ context.Context, d time.Duration) error {
				waits = append(waits, d)
				return nil
			}})
			if _, err := u.Update(t.Context(), false); (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
			if diff := cmp.Diff(c.waits, waits); diff != "" {
				t.Errorf("pauses (-want +got):\n%s", diff)
			}
		})
	}
}
