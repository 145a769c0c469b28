package plughost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/muster-sec/muster/plugins/sdk"
)

// supervisor owns the life of one plugin: one goroutine, run, changes its
// state; callers wait for the state they need. It is the connection that
// clients are built on, whichever process serves it at the moment.
type supervisor struct {
	decl     Declaration
	opts     Options
	launcher *launcher
	log      *slog.Logger
	calls    calls

	wanted chan struct{} // somebody needs the plugin

	mu       sync.Mutex
	status   Status
	about    sdk.Description
	conn     *grpc.ClientConn
	breaker  breaker
	launches int
	changed  chan struct{} // closed and replaced at every change
}

func newSupervisor(d Declaration, opts Options, l *launcher) *supervisor {
	d.Limits = d.Limits.withDefaults()
	return &supervisor{
		decl: d, opts: opts, launcher: l,
		log:     opts.Log.With("plugin", d.Name, "kind", string(d.Kind)),
		wanted:  make(chan struct{}, 1),
		status:  Status{Name: d.Name, Kind: d.Kind, Builtin: d.Path == "", State: StateDeclared},
		changed: make(chan struct{}),
	}
}

// run starts the plugin when it is needed and again when it ended, until ctx
// ends. It returns when no process of the plugin is left.
func (s *supervisor) run(ctx context.Context) {
	defer s.change(func(st *Status) { st.State = StateStopped })
	s.inspect()
	for s.needed(ctx) {
		for again := true; again && ctx.Err() == nil; {
			again = s.live(ctx)
		}
	}
}

// inspect verifies the executable before anybody needs it, so that a wrong
// checksum is seen when the daemon starts and not in the middle of the night.
func (s *supervisor) inspect() {
	if s.decl.Path == "" {
		return
	}
	file, err := openVerified(s.decl.Path, s.decl.SHA256)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		s.settle(err)
		return
	}
	s.change(func(st *Status) { st.State = StateVerified })
}

// needed waits until somebody wants the plugin; false is the end of ctx.
func (s *supervisor) needed(ctx context.Context) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-s.wanted:
		}
		st := s.snapshot()
		if st.State != StateFailed || !s.opts.Now().Before(st.RetryAt) {
			return ctx.Err() == nil
		}
		// The wish is older than the failure, which answered it.
	}
}

// live is one life of the process, and the wait before the next. It reports
// whether there shall be a next one without anybody asking for it.
func (s *supervisor) live(ctx context.Context) (again bool) {
	s.change(func(st *Status) {
		st.State, st.Restarts = StateStarting, s.launches
		s.launches++
	})
	inst, err := s.launch(ctx)
	if err == nil {
		err = s.serve(ctx, inst)
	}
	if ctx.Err() != nil {
		return false
	}
	wait, open := s.settle(err)
	if open {
		return false
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
	return true
}

// serve lets callers in and watches the process until it ends, or must end, or
// ctx does.
func (s *supervisor) serve(ctx context.Context, inst *instance) error {
	s.change(func(st *Status) {
		st.State, st.PID, st.Version, st.RetryAt = StateReady, inst.proc.pid, inst.about.Version, time.Time{}
		s.conn, s.about = inst.conn, inst.about
	})
	s.log.InfoContext(ctx, "plugin ready", "pid", inst.proc.pid, "version", inst.about.Version)
	err := s.watch(ctx, inst)
	grace := time.Duration(0)
	s.change(func(st *Status) { st.State, st.PID, s.conn = StateStarting, 0, nil })
	if ctx.Err() != nil {
		s.change(func(st *Status) { st.State = StateStopped })
		s.drain()
		grace = s.opts.StopGrace
	}
	inst.end(grace)
	return err
}

// watch checks the health of a process. It returns why it must be replaced, or
// nil at the end of ctx.
func (s *supervisor) watch(ctx context.Context, inst *instance) error {
	tick := time.NewTicker(s.opts.HealthEvery)
	defer tick.Stop()
	for misses := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-inst.proc.exited:
			return fmt.Errorf("the process ended: %w", exitError(inst.proc.err))
		case <-tick.C:
		}
		err := s.health(ctx, inst.conn)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil, errors.Is(err, sdk.ErrUnhealthy):
			misses = 0
		default:
			misses++
		}
		s.note(err)
		if misses >= s.opts.HealthMisses {
			return fmt.Errorf("no answer to %d health checks in a row: %w", misses, err)
		}
	}
}

func (s *supervisor) health(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.HealthTimeout)
	defer cancel()
	return sdk.Health(ctx, conn)
}

// note shows the outcome of a health check.
func (s *supervisor) note(err error) {
	s.change(func(st *Status) {
		st.State = StateReady
		if err != nil {
			st.State, st.LastError = StateDegraded, err.Error()
		}
	})
}
