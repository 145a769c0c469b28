package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/sdk"
)

func noon() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

func TestReadAllowance(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header []string
		left   int
		lasts  time.Duration
		ok     bool
	}{
		"nothing":            {nil, 0, 0, false},
		"Docker Hub's pulls": {[]string{"ratelimit-limit", "100;w=21600", "ratelimit-remaining", "76;w=21600"}, 76, maxBlind, true},
		"a short window":     {[]string{"RateLimit-Remaining", "0;w=60"}, 0, time.Minute, true},
		"Docker Hub's API":   {[]string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", strconv.FormatInt(noon().Unix()+90, 10)}, 3, 90 * time.Second, true},
		"seconds":            {[]string{"RateLimit-Remaining", "5", "RateLimit-Reset", "30"}, 5, 30 * time.Second, true},
		"the newest draft":   {[]string{"RateLimit", `"default";r=50;t=20`}, 50, 20 * time.Second, true},
		"no reset at all":    {[]string{"RateLimit-Remaining", "5"}, 0, 0, false},
		"not a number":       {[]string{"RateLimit-Remaining", "many", "RateLimit-Reset", "30"}, 0, 0, false},
		"negative":           {[]string{"RateLimit-Remaining", "-1", "RateLimit-Reset", "30"}, 0, 0, false},
		"beyond all bounds":  {[]string{"RateLimit-Remaining", "99999999999999999999", "RateLimit-Reset", "30"}, 0, 0, false},
	}
	for name, tt := range tests {
		h := http.Header{}
		for i := 0; i+1 < len(tt.header); i += 2 {
			h.Set(tt.header[i], tt.header[i+1])
		}
		got, ok := readAllowance(h, noon())
		if ok != tt.ok || ok && (got.remaining != tt.left || got.until.Sub(noon()) != tt.lasts) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("76;w=21600", "30", `"default";r=50;t=20`, "120")
	f.Add("", "1793534400", "", "Sun, 01 Nov 2026 12:00:30 GMT")
	f.Fuzz(func(t *testing.T, remaining, reset, draft, retry string) {
		h := http.Header{"Ratelimit": {draft}, "Ratelimit-Remaining": {remaining}, "Ratelimit-Reset": {reset}, "Retry-After": {retry}}
		if a, ok := readAllowance(h, noon()); ok && a.remaining < 0 {
			t.Errorf("%d requests are left", a.remaining)
		}
		if after, ok := RetryAfter(h, noon()); ok && after < 0 {
			t.Errorf("come back %s ago", -after)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, noon().Add(time.Minute).Format(http.TimeFormat): time.Minute,
		noon().Add(-time.Minute).Format(http.TimeFormat): 0, strconv.FormatInt(noon().Unix()+5, 10): 5 * time.Second,
		"": -1, "-3": -1, "soon": -1,
	} {
		got, ok := RetryAfter(http.Header{"Retry-After": {value}}, noon())
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %s, %v", value, got, ok)
		}
	}
}

// TestBudgetIsCountedDown: between two answers that tell the budget, what is
// sent is taken off, so that many at once do not overdraw it.
func TestBudgetIsCountedDown(t *testing.T) {
	t.Parallel()
	b := budgets{left: map[string]allowance{}}
	get := httptest.NewRequest(http.MethodGet, "https://r.example/v2/a/manifests/1", nil)
	head := httptest.NewRequest(http.MethodHead, "https://r.example/v2/a/manifests/1", nil)
	other := httptest.NewRequest(http.MethodGet, "https://r.example/v2/a/tags/list", nil)
	b.note(head, http.Header{"Ratelimit-Remaining": {"2;w=60"}}, noon())
	var waits []time.Duration
	for _, req := range []*http.Request{get, head, get, get, head, other} {
		waits = append(waits, b.wait(req, noon()))
	}
	if diff := cmp.Diff([]time.Duration{0, 0, 0, time.Minute, 0, 0}, waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	if wait := b.wait(get, noon().Add(61*time.Second)); wait != 0 {
		t.Errorf("after the reset it still waits %s", wait)
	}
}

// env runs in the bubble of a test, where time passes only by waiting.
func env(log io.Writer) Env {
	e := System()
	e.Jitter = func(d time.Duration) time.Duration { return d }
	logger := slog.New(slog.NewTextHandler(log, nil))
	e.Log = func() *slog.Logger { return logger }
	return e
}

// TestPaceAndSlots: requests keep to the rate and the number that are set.
func TestPaceAndSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		tr := New(Options{Manners: Manners{Concurrency: 2, RequestsPerSecond: 0.5}, Env: env(&log)})
		var now, most atomic.Int32
		tr.next = roundTripper(func(*http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), now.Add(1)))
			return &http.Response{StatusCode: 200, Body: closer(func() { now.Add(-1) })}, nil
		})
		begin := time.Now()
		done := make(chan error)
		for range 4 {
			go func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://r.example/", nil)
				if err != nil {
					done <- err
					return
				}
				resp, err := tr.RoundTrip(req)
				if err == nil {
					<-time.After(5 * time.Second) // reading, in the time of the bubble
					err = resp.Body.Close()
				}
				done <- err
			}()
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took != 12*time.Second || most.Load() != 2 {
			t.Errorf("4 requests at one in two seconds, two at once, took %s, %d at once", took, most.Load())
		}
		if !strings.Contains(log.String(), "requests_per_second") {
			t.Errorf("the log says %s", log.String())
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type closer func()

func (closer) Read([]byte) (int, error) { return 0, io.EOF }
func (c closer) Close() error           { c(); return nil }

// TestRepeatable: what changes something is not sent twice, what was marked is,
// with its body.
func TestRepeatable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := New(Options{Env: env(io.Discard)})
		var bodies []string
		tr.next = roundTripper(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			bodies = append(bodies, string(body))
			status := http.StatusTooManyRequests
			if len(bodies) == 3 {
				status = http.StatusOK
			}
			return &http.Response{StatusCode: status, Body: closer(func() {}), Request: r}, err
		})
		for _, ctx := range []context.Context{t.Context(), Repeatable(t.Context())} {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://r.example/", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tr.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"hello", "hello", "hello"}, bodies); diff != "" {
			t.Errorf("once plain and twice repeatable (-want +got):\n%s", diff)
		}
	})
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	all := strings.Split("a b c d e f g h i", " ")
	tests := map[string]struct {
		read func(pass, page int) ([]string, int) // what a page holds, and the total it tells
		want int                                  // -1: an error
		pass int                                  // how many are needed
	}{
		"told":             {func(_, page int) ([]string, int) { return slice(all, page), 9 }, 9, 1},
		"not told":         {func(_, page int) ([]string, int) { return slice(all, page), -1 }, 9, 1},
		"empty":            {func(int, int) ([]string, int) { return nil, 0 }, 0, 1},
		"empty, they say":  {func(int, int) ([]string, int) { return nil, 5 }, 0, 2},
		"always miscounts": {func(_, page int) ([]string, int) { return slice(all, page), 11 }, 9, 2},
		"one deleted": {func(pass, page int) ([]string, int) {
			if pass == 1 && page == 1 {
				return slice(all, 1), 9
			}
			return slice(all[1:], page), 8
		}, 9, 2},
		"never still": {func(pass, page int) ([]string, int) { return []string{fmt.Sprint(pass, page)}, 100 + page }, -1, 3},
	}
	for name, tt := range tests {
		pass := 0
		read := func(_ context.Context, page int) (Page[string], error) {
			if page == 1 {
				pass++
			}
			items, total := tt.read(pass, page)
			return Page[string]{Items: items, Total: total, More: page < 3}, nil
		}
		var got []string
		var failed error
		for item, err := range Numbered(t.Context(), read, func(s string) string { return s }) {
			if failed = err; err == nil {
				got = append(got, item)
			}
		}
		slices.Sort(got)
		twice := len(got) - len(slices.Compact(slices.Clone(got)))
		if tt.want >= 0 && (failed != nil || len(got) != tt.want) || tt.want < 0 && !errors.Is(failed, sdk.ErrUnavailable) || twice != 0 || pass != tt.pass {
			t.Errorf("%s: %q in %d passes, error %v", name, got, pass, failed)
		}
	}
}

func slice(all []string, page int) []string {
	return all[min((page-1)*4, len(all)):min(page*4, len(all))]
}

// TestHeaderStaysHome: what signs requests to one host goes to no other.
func TestHeaderStaysHome(t *testing.T) {
	t.Parallel()
	var got []string
	next := roundTripper(func(r *http.Request) (*http.Response, error) {
		got = append(got, r.Header.Get("Authorization"))
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	rt := Header("r.example", "Authorization", "secret")(next)
	for _, host := range []string{"r.example", "R.EXAMPLE", "evil.example", "r.example.evil"} {
		req := &http.Request{URL: &url.URL{Scheme: "https", Host: host}, Header: http.Header{}}
		if _, err := rt.RoundTrip(req); err != nil || req.Header.Get("Authorization") != "" {
			t.Errorf("%s: %v, or the request was changed", host, err)
		}
	}
	if diff := cmp.Diff([]string{"secret", "secret", "", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
