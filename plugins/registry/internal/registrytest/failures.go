package registrytest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Kind is a kind of registries under test.
type Kind struct {
	// Start starts a fake with the faults, and returns the plugin's handler and
	// a configuration for it. The fake lists several pages of repositories and
	// of tags of Repository.
	Start func(t *testing.T, env wire.Env, faults ...*Fault) (sdk.Registry, sdk.Config)
	// Repositories and Tags are parts of the URIs of the two listings.
	Repositories, Tags string
	// Repository is one with several pages of tags.
	Repository string
}

// Failures holds a kind against everything that happens to listings. What must
// never happen is that a listing which failed in the middle looks complete.
func Failures(t *testing.T, k Kind) {
	t.Helper()
	for _, listing := range []struct {
		name, on string
		list     func(context.Context, sdk.Registry, sdk.Config) (int, error)
	}{
		{"repositories", k.Repositories, func(ctx context.Context, r sdk.Registry, cfg sdk.Config) (int, error) {
			all, err := List(r.Repositories(ctx, cfg))
			return len(all), err
		}},
		{"tags", k.Tags, func(ctx context.Context, r sdk.Registry, cfg sdk.Config) (int, error) {
			all, err := List(r.Tags(ctx, cfg, k.Repository))
			return len(all), err
		}},
	} {
		r, cfg := k.Start(t, NewClock().Env())
		whole, err := listing.list(t.Context(), r, cfg)
		if err != nil || whole < 2 {
			t.Fatalf("%s: without faults there are %d, error %v", listing.name, whole, err)
		}
		for name, tt := range failures() {
			t.Run(listing.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				clock := NewClock()
				r, cfg := k.Start(t, clock.Env(), &Fault{On: listing.on, From: tt.from, Times: tt.times, Answer: tt.answer})
				n, err := listing.list(t.Context(), r, cfg)
				if tt.want == nil && (err != nil || n != whole) {
					t.Errorf("listed %d of %d, error %v", n, whole, err)
				}
				if tt.want == errAny && err == nil || tt.want != nil && tt.want != errAny && !errors.Is(err, tt.want) {
					t.Errorf("listed %d of %d, error %v, want one that is %q", n, whole, err, tt.want)
				}
				if diff := cmp.Diff(tt.waits, clock.Waits()); diff != "" {
					t.Errorf("waits (-want +got):\n%s", diff)
				}
				if logged := strings.Count(clock.Logs.String(), "waiting for the registry"); logged != len(tt.waits) {
					t.Errorf("%d waits were logged: %s", logged, clock.Logs.String())
				}
				if after, _ := sdk.RetryAfter(err); after != tt.after {
					t.Errorf("the error says to come back after %s, want %s", after, tt.after)
				}
			})
		}
	}
}

type failure struct {
	from, times int
	answer      http.HandlerFunc
	want        error // nil: the listing is whole in the end
	waits       []time.Duration
	after       time.Duration
}

func failures() map[string]failure {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	seconds := func(n ...int) (all []time.Duration) {
		for _, s := range n {
			all = append(all, time.Duration(s)*time.Second)
		}
		return all
	}
	date := Now().Add(30 * time.Second).Format(http.TimeFormat)
	return map[string]failure{
		"401 at once":             {1, 99, status(401), sdk.ErrUnauthorized, nil, 0},
		"401 in the middle":       {2, 99, status(401), sdk.ErrUnauthorized, nil, 0},
		"403 in the middle":       {2, 99, status(403), sdk.ErrDenied, nil, 0},
		"500 in the middle":       {2, 99, status(500), sdk.ErrUnavailable, nil, 0},
		"429 with seconds":        {2, 1, status(429, "Retry-After", "7"), nil, seconds(7), 0},
		"429 with a date":         {2, 1, status(429, "Retry-After", date), nil, seconds(30), 0},
		"429 without a word":      {2, 2, status(429), nil, seconds(1, 2), 0},
		"503 again and again":     {2, 99, status(503), sdk.ErrUnavailable, seconds(1, 2, 4), 0},
		"429 for too long":        {2, 99, status(429, "Retry-After", "3600"), sdk.ErrUnavailable, nil, time.Hour},
		"a proxy's page":          {2, 99, text("<html>log in first</html>"), sdk.ErrUnavailable, nil, 0},
		"cut off":                 {2, 99, text(`[{"name":"a`), sdk.ErrUnavailable, nil, 0},
		"endless":                 {2, 99, endless, sdk.ErrLimit, nil, 0},
		"a redirect to elsewhere": {2, 99, status(302, "Location", "http://elsewhere.invalid/"), errAny, nil, 0},
	}
}

// errAny stands for failures whose kind does not matter, as long as they are one.
var errAny = errors.New("any error")

func endless(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, `[{"name":"`)
	for range wire.MaxAnswer/1024 + 1 {
		if _, err := fmt.Fprint(w, strings.Repeat("x", 1024)); err != nil {
			return
		}
	}
}
