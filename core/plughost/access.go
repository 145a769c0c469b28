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
// has failed is an error at once. The process is not stopped before release;
// the caller calls it when its call has begun, or will not begin.
func (s *supervisor) acquire(ctx context.Context) (conn *grpc.ClientConn, release func(), err error) {
	for {
		conn, status, changed := s.enterCall()
		switch {
		case conn != nil:
			return conn, s.leaveCall, nil
		case status.State == StateStopped:
			return nil, nil, fmt.Errorf("%w: %s plugin %s", ErrStopped, s.decl.Kind, s.decl.Name)
		case status.State == StateFailed && s.opts.Now().Before(status.RetryAt):
			return nil, nil, s.down(status)
		}
		s.want()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("waiting for %s plugin %s, which is %s: %w", s.decl.Kind, s.decl.Name, status.State, ctx.Err())
		}
	}
}

// down says why a plugin takes no calls and until when.
func (s *supervisor) down(st Status) error {
	return fmt.Errorf("%w: %s plugin %s: %s; next try at %s", ErrFailed, s.decl.Kind, s.decl.Name,
		st.LastError, st.RetryAt.UTC().Format(time.RFC3339))
}

// enterCall counts the caller in, if there is a process that takes calls.
func (s *supervisor) enterCall() (*grpc.ClientConn, Status, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || s.status.State == StateStopped {
		return nil, s.status, s.changed
	}
	s.entering++
	return s.conn, s.status, s.changed
}

func (s *supervisor) leaveCall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entering--
}

// want says that somebody needs the plugin.
func (s *supervisor) want() {
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

// describe returns what the plugin says of itself, starting it if need be.
func (s *supervisor) describe(ctx context.Context) (sdk.Description, error) {
	_, release, err := s.acquire(ctx)
	if err != nil {
		return sdk.Description{}, err
	}
	defer release()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.about, nil
}

// enter is the only way to change the state; it wakes everybody who waits.
// also changes what changes with it; it may be nil.
func (s *supervisor) enter(state State, also func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := s.status.State; from != state {
		if !from.leadsTo(state) {
			s.log.Error("plugin state machine is broken", "from", string(from), "to", string(state))
		}
		s.log.Debug("plugin state", "from", string(from), "to", string(state))
		s.status.State, s.status.Since = state, s.opts.Now()
	}
	if also != nil {
		also(&s.status)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until the status fulfils want, as long as ctx allows.
func (s *supervisor) await(ctx context.Context, want func(Status) bool) (Status, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		st := s.snapshot()
		if want(st) {
			return st, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return st, fmt.Errorf("waiting for %s plugin %s, which is %s: %w", s.decl.Kind, s.decl.Name, st.State, ctx.Err())
		}
	}
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
// From now on nobody gets the old connection.
func (s *supervisor) settle(err error) (wait time.Duration, open bool) {
	now := s.opts.Now()
	if permanent(err) {
		wait, open = permanentRetry, true
	} else {
		wait, open = s.breaker.ended(now)
	}
	state, level := StateBackoff, slog.LevelWarn
	if open {
		state, level = StateFailed, slog.LevelError
	}
	text := s.secrets.mask(err.Error())
	s.enter(state, func(st *Status) {
		st.LastError, st.RetryAt = text, now.Add(wait)
		st.PID, s.conn = 0, nil
	})
	s.log.Log(context.Background(), level, "plugin ended", "error", text, "circuit_open", open, "retry_in", wait.String())
	return wait, open
}

// permanent reports whether starting the plugin again at once is pointless.
func permanent(err error) bool {
	return errors.Is(err, ErrChecksum) || errors.Is(err, ErrIncompatible) ||
		errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// drain waits for the calls in flight, which all have bounds of their own: as
// long as a stream may take, but once the host ends, for at most
// Options.DrainTimeout.
func (s *supervisor) drain(host context.Context) {
	deadline := time.NewTimer(max(s.opts.maxStream, s.decl.Limits.CallTimeout))
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	ending := host.Done()
	for s.busy() {
		select {
		case <-ending:
			ending = nil
			deadline.Reset(s.opts.DrainTimeout)
		case <-deadline.C:
			return
		case <-tick.C:
		}
	}
}

func (s *supervisor) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entering > 0 || s.calls.inFlight.Load() > 0
}

// retire ends run once the calls in flight are over. It is called once.
func (s *supervisor) retire() { close(s.retired) }

// exitError is how a process ended, also when it ended without an error.
func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
