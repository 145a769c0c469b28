package wire

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Env is what a plugin needs of its surroundings. Tests bring their own.
type Env struct {
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Jitter makes a wait a little different each time, so that those who wait
	// do not come back together.
	Jitter func(time.Duration) time.Duration
	// Log gives the logger. It is asked each time, because sdk.Serve sets the
	// default one after the plugin has been made.
	Log func() *slog.Logger
}

// System returns the clock, the chance and the default logger of the process.
func System() Env {
	return Env{
		Now:   time.Now,
		Sleep: sleep,
		Jitter: func(d time.Duration) time.Duration {
			return d + time.Duration(rand.Int64N(int64(d)/4+1))
		},
		Log: slog.Default,
	}
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
