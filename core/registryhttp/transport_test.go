package registryhttp

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/pull"
)

func noon() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

func get(t *testing.T, rt http.RoundTripper, url string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

func TestAnswersAboutLoadHoldTheHost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		header string
		hold   time.Duration // 0: none
	}{
		"429 with seconds":      {429, "120", 2 * time.Minute},
		"429 with a date":       {429, noon().Add(time.Hour).Format(http.TimeFormat), time.Hour},
		"429 for a year":        {429, "31536000", longestHold},
		"429 without":           {429, "", defaultHold},
		"503 with seconds":      {503, "5", 5 * time.Second},
		"503 without":           {503, "", 0},
		"something else":        {500, "5", 0},
		"not there":             {404, "", 0},
		"429, cannot be read":   {429, "soon", defaultHold},
		"429 with a past date":  {429, noon().Add(-time.Hour).Format(http.TimeFormat), 0},
		"429 with zero seconds": {429, "0", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
			}))
			t.Cleanup(server.Close)
			now := noon()
			hosts := NewHosts(func() time.Time { return now })
			// Every pull has a way of its own; what was said is known to all.
			for range 3 {
				tr, err := hosts.Transport(model.Registry{URL: server.URL})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(tr.Close)
				err = get(t, tr, server.URL)
				after, later := fault.RetryAfterOf(err)
				if tt.status != 429 && tt.hold == 0 {
					if err != nil {
						t.Errorf("an answer to be read is an error: %v", err)
					}
					continue
				}
				if !later || after != tt.hold || fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), http.StatusText(tt.status)) {
					t.Errorf("%v, to be tried after %s, %v; want %s", err, after, later, tt.hold)
				}
			}
			want := int32(3)
			if tt.hold > 0 {
				want = 1
			}
			if n := asked.Load(); n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
			now = now.Add(tt.hold)
			tr, err := hosts.Transport(model.Registry{URL: server.URL, Settings: map[string]any{"concurrency": 2.0}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(tr.Close)
			if _ = get(t, tr, server.URL); asked.Load() != want+1 {
				t.Error("after the hold it is not asked")
			}
		})
	}
}

// A hold outlives a change of the settings.
func TestChangedSettingsKeepAHold(t *testing.T) {
	t.Parallel()
	hosts := NewHosts(noon)
	hosts.of("r.example", mannersOf(model.Registry{})).hold(noon().Add(time.Minute), "HTTP 429")
	changed := hosts.of("r.example", mannersOf(model.Registry{Settings: map[string]any{"concurrency": 2.0, "requests_per_second": 0.5}}))
	err := changed.enter(t.Context(), noon)
	if after, later := fault.RetryAfterOf(err); !later || after != time.Minute {
		t.Errorf("%v", err)
	}
}

// TestMannersOfTheSettings: all who ask a host share its places and its rate.
func TestMannersOfTheSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		settings map[string]any
		most     int32
		took     time.Duration // of twenty requests of a second each
	}{
		"defaults":    {nil, defaultConcurrency, 2 * time.Second},
		"concurrency": {map[string]any{"concurrency": 4.0}, 4, 5 * time.Second},
		"rate":        {map[string]any{"requests_per_second": 2.0}, 3, 10500 * time.Millisecond},
		"both":        {map[string]any{"requests_per_second": 2.0, "concurrency": 1.0}, 1, 20 * time.Second},
		"nonsense":    {map[string]any{"requests_per_second": "x", "concurrency": -1.0}, defaultConcurrency, 2 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hosts := NewHosts(time.Now)
				begin := time.Now()
				var now, most atomic.Int32
				done := make(chan error)
				for range 20 {
					go func() {
						host := hosts.of("r.example", mannersOf(model.Registry{Settings: tt.settings}))
						err := host.enter(t.Context(), time.Now)
						most.Store(max(most.Load(), now.Add(1)))
						<-time.After(time.Second) // the request, in the time of the bubble
						now.Add(-1)
						host.leave()
						done <- err
					}()
				}
				for range 20 {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(begin); most.Load() > tt.most || took != tt.took {
					t.Errorf("%d at a time, in %s; want %d in %s", most.Load(), took, tt.most, tt.took)
				}
			})
		})
	}
}

// Only the registry's own host is limited: blobs lie elsewhere.
func TestOtherHostsAreNotHeld(t *testing.T) {
	t.Parallel()
	blobs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(blobs.Close)
	hosts := NewHosts(noon)
	tr, err := hosts.Transport(model.Registry{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	hosts.of("127.0.0.1:1", tr.manners).hold(noon().Add(time.Hour), "HTTP 429")
	if err := get(t, tr, "http://127.0.0.1:1/v2/"); err == nil {
		t.Error("the registry was asked")
	}
	if err := get(t, tr, blobs.URL); err != nil {
		t.Error(err)
	}
}

func TestTransportRefuses(t *testing.T) {
	t.Parallel()
	hosts := NewHosts(noon)
	for name, r := range map[string]model.Registry{"no host": {URL: "https://"}, "no PEM": {URL: "https://r.example", CACert: "x"}} {
		if _, err := hosts.Transport(r); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	tr, err := hosts.Transport(model.Registry{URL: "https://r.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t, tr, "http://r.example/v2/"); !errors.Is(err, pull.ErrInsecure) {
		t.Errorf("plain: %v", err)
	}
}
