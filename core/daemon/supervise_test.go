package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSuperviseStopsInReverseOrder(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := []struct {
		name    string
		fail    func(context.Context) error // the last service
		stuck   bool                        // the first one ignores its context
		cancel  bool
		wantErr error
		want    []string
	}{
		{"the caller ends it", wait, false, true, nil, []string{"c", "b", "a"}},
		{"a service fails", func(context.Context) error { return boom }, false, false, boom, []string{"b", "a"}},
		{"a service ends by itself", func(context.Context) error { return nil }, false, false, errStopped, []string{"b", "a"}},
		{"a service that hangs is left behind", wait, true, true, nil, []string{"c", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var ended []string
				note := func(name string, run func(context.Context) error) service {
					return service{name, func(ctx context.Context) error {
						err := run(ctx)
						if ctx.Err() != nil {
							mu.Lock()
							ended = append(ended, name)
							mu.Unlock()
						}
						return err
					}}
				}
				a := wait
				release := make(chan struct{})
				if tt.stuck {
					a = func(context.Context) error { <-release; return nil }
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancel {
					time.AfterFunc(time.Second, cancel)
				}
				err := supervise(ctx, slog.New(slog.DiscardHandler), time.Minute,
					[]service{note("a", a), note("b", wait), note("c", tt.fail)})
				if !errors.Is(err, tt.wantErr) {
					t.Errorf("error %v, want %v", err, tt.wantErr)
				}
				mu.Lock()
				if !slices.Equal(ended, tt.want) {
					t.Errorf("ended %v, want %v", ended, tt.want)
				}
				mu.Unlock()
				close(release)
			})
		})
	}
}

func wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
