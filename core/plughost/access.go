package plughost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"github.com/muster-sec/muster/plugins/sdk"
)

// acquire returns the connection to the running process. It starts a plugin
// that is not running and waits for it, as long as ctx allows; a plugin that
// has failed is an error at once.
func (s *supervisor) acquire(ctx context.Context) (*grpc.ClientConn, error) {
	for {
		s.mu.Lock()
		conn, status, changed := s.conn, s.status, s.changed
		s.mu.Unlock()
		switch {
		case conn != nil && status.State != StateStopped:
			return conn, nil
		case status.State == StateStopped:
			return nil, fmt.Errorf("%w: plugin %s", ErrStopped, s.decl.Name)
		case status.State == StateFailed && s.opts.Now().Before(status.RetryAt):
			return nil, fmt.Errorf("%w: %s plugin %s: %s; next try at %s", ErrFailed, s.decl.Kind, s.decl.Name,
				status.LastError, status.RetryAt.UTC().Format(time.RFC3339))
		}
		select {
		case s.wanted <- struct{}{}:
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s plugin %s, which is %s: %w", s.decl.Kind, s.decl.Name, status.State, ctx.Err())
		}
	}
}

// describe returns what the plugin says of itself, starting it if need be.
func (s *supervisor) describe(ctx context.Context) (sdk.Description, error) {
	if _, err := s.acquire(ctx); err != nil {
		return sdk.Description{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.about, nil
}

// change is the only way to change the state; it wakes everybody who waits.
func (s *supervisor) change(f func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.status)
	close(s.changed)
	s.changed = make(chan struct{})
}

// snapshot returns the status as it is now.
func (s *supervisor) snapshot() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Calls = s.calls.total.Load()
	st.InFlight = int(s.calls.inFlight.Load())
	return st
}

// settle decides what follows an unexpected end: a wait, or an open circuit.
func (s *supervisor) settle(err error) (wait time.Duration, open bool) {
	now := s.opts.Now()
	s.change(func(st *Status) {
		if permanent(err) {
			wait, open = permanentRetry, true
		} else {
			wait, open = s.breaker.ended(now)
		}
		st.State, st.LastError, st.RetryAt = StateBackoff, err.Error(), now.Add(wait)
		if open {
			st.State = StateFailed
		}
	})
	level := slog.LevelWarn
	if open {
		level = slog.LevelError
	}
	s.log.Log(context.Background(), level, "plugin ended", "error", err, "circuit_open", open, "retry_in", wait.String())
	return wait, open
}

// permanent reports whether starting the plugin again at once is pointless.
func permanent(err error) bool {
	return errors.Is(err, ErrChecksum) || errors.Is(err, ErrIncompatible) ||
		errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// drain waits for the calls in flight, for at most Options.DrainTimeout.
func (s *supervisor) drain() {
	deadline := time.NewTimer(s.opts.DrainTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.calls.inFlight.Load() > 0 {
		select {
		case <-deadline.C:
			return
		case <-tick.C:
		}
	}
}

// exitError is how a process ended, also when it ended without an error.
func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
