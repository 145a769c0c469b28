package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/httpapi/tlscert"
	"github.com/muster-sec/muster/core/model"
)

// logBook is a writer that tests may read while a server writes.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type served struct {
	url      string
	log      *logBook
	registry *prometheus.Registry
	stop     func() error // waits until the server has ended
}

func serve(t *testing.T, handler http.Handler) *served {
	t.Helper()
	s := &served{log: &logBook{}, registry: prometheus.NewRegistry()}
	metrics, err := httpapi.NewMetrics(s.registry)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server, err := httpapi.NewServer(httpapi.Options{Name: "test", Handler: handler, Log: log, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *served) get(t *testing.T, path string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

type gate struct{}

func (gate) Authenticate(context.Context, string) (model.Actor, error) {
	return model.Actor{Name: "amy", Role: model.RoleReader}, nil
}

func (gate) AuthenticateKey(context.Context, string) (model.Actor, error) {
	return model.Actor{}, fault.New(fault.Unauthenticated, "no")
}

func TestRequestsAreLoggedAndCountedByRoute(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /secret/{word}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := httpapi.Authenticate(r, gate{}); err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		httpapi.WriteJSON(w, http.StatusOK, httpapi.ActorOf(r.Context()).Name)
	})
	s := serve(t, mux)
	resp, body := s.get(t, "/secret/hunter2?key=hunter3", map[string]string{"Authorization": "Bearer hunter4"})
	if resp.StatusCode != 200 || body != "\"amy\"\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	s.get(t, "/secret/hunter2", nil)
	s.get(t, "/made/up", nil)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	for _, want := range []string{
		`"route":"GET /secret/{word}","status":200`, `"actor":"amy"`, `"source":"127.0.0.1"`, `"status":401`, `"route":"unmatched","status":404`,
		`"request_id":"` + resp.Header.Get("X-Request-Id") + `"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "hunter") {
		t.Errorf("the log shows a secret:\n%s", log)
	}
	want := map[string]float64{
		"GET /secret/{word} test 200 ": 1, "GET /secret/{word} test 401 ": 1, "unmatched test 404 ": 1,
	}
	if diff := cmp.Diff(want, s.counters(t, "muster_http_requests_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// counters reads a counter by its labels' values, in the order of their names.
func (s *served) counters(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += l.GetValue() + " "
			}
			values[labels] = m.GetCounter().GetValue()
		}
	}
	return values
}

func TestAPanicIsAnAnswer(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/early", func(http.ResponseWriter, *http.Request) { panic("a bug") })
	mux.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		panic("a later bug")
	})
	s := serve(t, mux)
	resp, body := s.get(t, "/early", nil)
	var e api.Error
	if err := json.Unmarshal([]byte(body), &e); err != nil || resp.StatusCode != 500 || e.Code != 55 || strings.Contains(body, "bug") {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
	if resp, body := s.get(t, "/late", nil); resp.StatusCode != 202 || body != "" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if log := s.log.String(); !strings.Contains(log, `"panic":"a bug"`) || !strings.Contains(log, "httpapi_test.go") {
		t.Errorf("the log does not say where:\n%s", log)
	}
}

func TestRequestsUnderWayAreFinished(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		httpapi.WriteJSON(w, http.StatusOK, "done")
	}))
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get(s.url) //nolint:noctx // ends with the server
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	close(release)
	if got := <-answered; got != "\"done\"\n" {
		t.Errorf("answer %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeSaysWhenItCannot(t *testing.T) {
	t.Parallel()
	server, err := httpapi.NewServer(httpapi.Options{Name: "x", Handler: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
	if _, err := httpapi.NewServer(httpapi.Options{Name: "x"}); err == nil {
		t.Error("a server without a handler")
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	certs, err := tlscert.SelfSigned(t.TempDir(), nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := httpapi.NewServer(httpapi.Options{
		Name: "api", Handler: http.HandlerFunc(httpapi.NotFound), TLS: certs.Config(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	if resp, err := client.Get("https://" + ln.Addr().String()); err == nil { //nolint:noctx // refused in the handshake
		resp.Body.Close()
		t.Error("an unknown certificate is trusted")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
