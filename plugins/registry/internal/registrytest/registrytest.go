// Package registrytest holds what the tests of registry plugins share: a server
// that fails when and how it is told, a registry as far as manifests go, a clock
// that never sleeps, and the suite of failures that every kind has to survive.
package registrytest

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
)

// Now returns when tests take place.
func Now() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

// Clock is time that passes only by sleeping, and remembers it.
type Clock struct {
	Logs strings.Builder // JSON lines

	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

// NewClock returns a clock that shows Now().
func NewClock() *Clock { return &Clock{now: Now()} }

// Env returns surroundings with the clock in them.
func (c *Clock) Env() wire.Env {
	logger := slog.New(slog.NewJSONHandler(lockedWriter{c}, nil))
	return wire.Env{
		Now: func() time.Time {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.now
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.now = c.now.Add(d)
			c.waits = append(c.waits, d)
			return ctx.Err()
		},
		Jitter: func(d time.Duration) time.Duration { return d },
		Log:    func() *slog.Logger { return logger },
	}
}

type lockedWriter struct{ clock *Clock }

// Write takes a log line.
func (w lockedWriter) Write(p []byte) (int, error) {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	return w.clock.Logs.Write(p)
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Waits returns all sleeps so far.
func (c *Clock) Waits() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Duration(nil), c.waits...)
}

// List reads a listing to its end or its error.
func List[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for item, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, item)
	}
	return all, nil
}

// Fault is one failure: of requests whose URI contains On, the ones numbered
// From (counted from 1) and the Times-1 after it are answered by Answer.
type Fault struct {
	On     string
	From   int
	Times  int
	Answer http.HandlerFunc

	seen int
}

// Server is a fake that fails as told and notes the requests.
type Server struct {
	URL string
	CA  string // PEM, if it speaks TLS

	mu       sync.Mutex
	faults   []*Fault
	requests []string
}

// Start starts a server for handler. It ends with the test.
func Start(t testing.TB, handler http.Handler, faults ...*Fault) *Server {
	t.Helper()
	s := &Server{faults: faults}
	server := httptest.NewServer(s.around(handler))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// StartTLS starts a server that speaks TLS, under a CA of its own.
func StartTLS(t testing.TB, handler http.Handler, faults ...*Fault) *Server {
	t.Helper()
	s := &Server{faults: faults}
	server := httptest.NewTLSServer(s.around(handler))
	t.Cleanup(server.Close)
	s.URL = server.URL
	s.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return s
}

func (s *Server) around(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := s.fault(r); answer != nil {
			answer(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

func (s *Server) fault(r *http.Request) http.HandlerFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	for _, f := range s.faults {
		if !strings.Contains(r.URL.RequestURI()+" "+r.Header.Get("X-Amz-Target"), f.On) {
			continue
		}
		if f.seen++; f.seen >= f.From && f.seen < f.From+f.Times {
			return f.Answer
		}
	}
	return nil
}

// Requests returns the requests so far, as METHOD URI.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Count returns how many requests so far contain text.
func (s *Server) Count(text string) int {
	n := 0
	for _, r := range s.Requests() {
		if strings.Contains(r, text) {
			n++
		}
	}
	return n
}

// Digest returns a digest that is always the same for n.
func Digest(n int) string { return fmt.Sprintf("sha256:%064x", n) }

// Manifests is a registry as far as pinging and resolving tags goes.
type Manifests struct {
	Digests        map[string]string // by REPOSITORY:TAG
	User, Password string            // Basic, if set
}

// ServeHTTP answers what begins with /v2/.
func (m *Manifests) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); m.User != "" && (user != m.User || password != m.Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/v2/" {
		return
	}
	repo, tag, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	digest := m.Digests[repo+":"+tag]
	if !ok || digest == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
}

// JSON answers with v.
func JSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

// Slice returns the page of the given number and size, and whether there are more.
func Slice[T any](all []T, page, size int) (part []T, more bool) {
	start := min((page-1)*size, len(all))
	end := min(start+size, len(all))
	return all[start:end], end < len(all)
}
