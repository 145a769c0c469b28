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
	"github.com/muster-sec/muster/plugins/sdk/schema"
)

// supervisor owns the life of one plugin as it was declared: one goroutine,
// run, changes its state; callers wait for the state they need. It is the
// connection that clients are built on, whichever process serves it at the
// moment. A changed declaration gets a supervisor of its own.
type supervisor struct {
	decl     Declaration
	opts     Options
	launcher *launcher
	log      *slog.Logger
	metrics  *metrics
	calls    calls
	secrets  masker
	short    sync.Once // says that a secret is too short to be masked

	wanted  chan struct{} // somebody needs the plugin
	retired chan struct{} // closed when another supervisor has taken over

	mu       sync.Mutex
	status   Status
	about    sdk.Description
	schema   *schema.Schema // of about
	conn     *grpc.ClientConn
	entering int // callers that have the connection and have not begun their call
	breaker  breaker
	launches int
	changed  chan struct{} // closed and replaced at every change
}

func newSupervisor(d Declaration, opts Options, l *launcher, m *metrics) *supervisor {
	d.Limits = d.Limits.withDefaults()
	s := &supervisor{
		decl: d, opts: opts, launcher: l, metrics: m,
		log:     opts.Log.With("plugin", d.Name, "kind", string(d.Kind)),
		wanted:  make(chan struct{}, 1),
		retired: make(chan struct{}),
		status:  Status{Name: d.Name, Kind: d.Kind, Builtin: d.Path == "", State: StateDeclared, Since: opts.Now()},
		changed: make(chan struct{}),
	}
	s.calls.observe = m.observer(d.Kind, d.Name)
	s.learnEnvironment()
	return s
}

// run starts the plugin when it is needed and again when it ended, until the
// host ends or the supervisor is retired. It returns when no process of the
// plugin is left.
func (s *supervisor) run(host context.Context) {
	ctx, cancel := context.WithCancel(host)
	defer cancel()
	go func() {
		select {
		case <-s.retired:
			cancel()
		case <-ctx.Done():
		}
	}()
	defer s.enter(StateStopped, nil)
	s.inspect()
	for s.needed(ctx) {
		for again := true; again && ctx.Err() == nil; {
			again = s.live(ctx, host)
		}
	}
}

// inspect verifies the executable before anybody needs it, so that a wrong
// checksum is seen when the daemon starts and not in the middle of the night.
func (s *supervisor) inspect() {
	if s.decl.Path == "" {
		return
	}
	if err := s.executable().verify(); err != nil {
		s.settle(err)
		return
	}
	s.enter(StateVerified, nil)
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
func (s *supervisor) live(ctx, host context.Context) (again bool) {
	s.starting()
	inst, err := s.launch(ctx)
	var wait time.Duration
	var open bool
	switch {
	case err == nil:
		wait, open = s.serve(ctx, host, inst)
	case ctx.Err() == nil:
		wait, open = s.settle(err)
	}
	if ctx.Err() != nil || open {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return true
}

// starting counts a launch.
func (s *supervisor) starting() {
	s.enter(StateStarting, func(st *Status) {
		st.Restarts = s.launches
		s.launches++
	})
	if s.snapshot().Restarts > 0 {
		s.metrics.restarted(s.decl.Kind, s.decl.Name)
	}
}

// serve lets callers in and watches the process until it ends, or must end, or
// ctx does; then it says when to start another.
func (s *supervisor) serve(ctx, host context.Context, inst *instance) (wait time.Duration, open bool) {
	s.enter(StateReady, func(st *Status) {
		st.PID, st.Protocol, st.RetryAt = inst.proc.pid, inst.client.NegotiatedVersion(), time.Time{}
		st.Version, st.Capabilities = s.secrets.mask(inst.about.Version), inst.about.Capabilities
		s.conn, s.about, s.schema = inst.conn, inst.about, inst.schema
	})
	s.log.InfoContext(ctx, "plugin ready", "pid", inst.proc.pid, "version", inst.about.Version)
	err := s.watch(ctx, inst)
	if ctx.Err() == nil {
		wait, open = s.settle(err)
		inst.end(0)
		return wait, open
	}
	s.enter(StateStopped, nil) // nobody comes in any more
	s.drain(host)
	s.enter(StateStopped, func(st *Status) { st.PID, s.conn = 0, nil })
	inst.end(s.opts.StopGrace)
	return 0, false
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
	if err == nil {
		s.enter(StateReady, nil)
		return
	}
	s.enter(StateDegraded, func(st *Status) { st.LastError = s.secrets.mask(err.Error()) })
}
