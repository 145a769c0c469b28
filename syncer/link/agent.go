package link

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/member"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/wire"
)

// ErrRemoved says that the membership is over, by the primary's signed word.
var ErrRemoved = errors.New("membership is over")

// Dialer opens byte streams to the primary; a transport is one.
type Dialer interface {
	Dial(ctx context.Context) (net.Conn, error)
}

// Host is the program around an [Agent].
type Host interface {
	// Credential returns the member's certificate and key at the moment.
	Credential(ctx context.Context) (session.Credential, error)
	// Renewed takes a new certificate and must make it durable.
	Renewed(ctx context.Context, credential session.Credential) error
	// Removed is told once that the membership is over; it cleans up.
	Removed(ctx context.Context, notice wire.Notice) error
	// Summary returns opaque bytes for the primary, nil for none.
	Summary(ctx context.Context) ([]byte, error)
	// Tunnel serves a byte stream that the primary has opened; it closes the
	// stream. A host that allows none closes it at once.
	Tunnel(ctx context.Context, stream net.Conn)
}

// AgentConfig is what an [Agent] needs.
type AgentConfig struct {
	Federation, Member string
	Store              syncer.MemberStore
	// ContentKey is the one that the enrolment delivered; later ones are in Store.
	ContentKey ed25519.PublicKey
	// Trust returns which CA is accepted at the moment.
	Trust   func() session.Trust
	Dialer  Dialer
	Host    Host
	Options Options
	Now     func() time.Time
	Log     *slog.Logger
	// Codec may be shared by several agents of one process; nil makes one.
	Codec *wire.Codec
}

// Agent keeps one member connected. Its methods other than Run are safe for
// concurrent use.
type Agent struct {
	cfg   AgentConfig
	leave chan chan error

	mu     sync.Mutex
	status AgentStatus
	// offset is the primary's clock minus ours, known once measured.
	offset   time.Duration
	measured bool
	machine  *member.Machine
}

// State is what an agent is doing.
type State string

// The states of an agent.
const (
	// StateConnecting: dialling or shaking hands.
	StateConnecting State = "connecting"
	// StateCatchingUp: connected, and something of the feed is still missing.
	StateCatchingUp State = "catching_up"
	// StateSynced: connected, and equal to the primary as far as it was heard.
	StateSynced State = "synced"
	// StateWaiting: not connected, waiting for the next attempt.
	StateWaiting State = "waiting"
	// StateRemoved: not a member any more.
	StateRemoved State = "removed"
)

// AgentStatus is what an agent knows of its link.
type AgentStatus struct {
	State State
	// Since is when State began.
	Since time.Time
	// Reason is why the last session ended or could not begin, empty if none did.
	Reason string
	// Attempts counts the failures since the last good session; NextDial is when
	// the next attempt is due while StateWaiting.
	Attempts int
	NextDial time.Time
	// Status is that of the last session.
	member.Status
}

// NewAgent returns an agent that does nothing before [Agent.Run].
func NewAgent(cfg AgentConfig) (*Agent, error) {
	if cfg.Store == nil || cfg.Trust == nil || cfg.Dialer == nil || cfg.Host == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("link: agent configuration is incomplete")
	}
	cfg.Options = cfg.Options.withDefaults()
	if cfg.Codec == nil {
		codec, err := wire.NewCodec(cfg.Options.Limits.Bulk)
		if err != nil {
			return nil, err
		}
		cfg.Codec = codec
	}
	return &Agent{cfg: cfg, leave: make(chan chan error), status: AgentStatus{State: StateConnecting, Since: cfg.Now()}}, nil
}

// Run stays connected until ctx ends, and returns nil then. It returns
// [ErrRemoved] after [Host.Removed] when the membership is over.
func (a *Agent) Run(ctx context.Context) error {
	for {
		a.enter(StateConnecting)
		err := a.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrRemoved) {
			a.enter(StateRemoved)
			return err
		}
		wait := a.failed(err)
		a.cfg.Log.Info("not connected to the primary", "reason", err, "retry_in", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// failed notes why a session ended and returns how long to wait: exponential in
// the number of failures, with a jitter of half, so that a thousand members do not
// return in one moment.
func (a *Agent) failed(err error) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := a.cfg.Options.RetryMax
	if a.status.Attempts < 16 {
		wait = min(wait, a.cfg.Options.RetryMin<<a.status.Attempts)
	}
	wait = wait/2 + rand.N(wait/2+1)
	now := a.cfg.Now()
	a.status.Attempts++
	a.status.State, a.status.Since, a.status.NextDial = StateWaiting, now, now.Add(wait)
	a.status.Reason = err.Error()
	return wait
}

func (a *Agent) enter(s State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status.State != s {
		a.status.State, a.status.Since = s, a.cfg.Now()
	}
}

// Status returns the state of the agent.
func (a *Agent) Status() AgentStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.observe()
	return a.status
}

// observe copies what the machine knows; a.mu is held.
func (a *Agent) observe() {
	if a.machine == nil {
		return
	}
	a.status.Status = a.machine.Status()
	if a.status.Epoch == 0 {
		return
	}
	a.offset, a.measured = a.status.Offset, true
	a.status.Attempts, a.status.Reason = 0, ""
	state := StateCatchingUp
	if a.status.Synced() {
		state = StateSynced
	}
	if a.status.State != state {
		a.status.State, a.status.Since = state, a.cfg.Now()
	}
}

// primaryTime returns the primary's time as far as it is known.
func (a *Agent) primaryTime() (now time.Time, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg.Now().Add(a.offset), a.measured
}

// Leave tells the primary that this member leaves and waits for its farewell,
// after which Run returns [ErrRemoved]. It fails when ctx ends first.
func (a *Agent) Leave(ctx context.Context) error {
	said := make(chan error, 1)
	select {
	case a.leave <- said:
	case <-ctx.Done():
		return fmt.Errorf("link: leave: the primary cannot be reached: %w", ctx.Err())
	}
	select {
	case err := <-said:
		return err
	case <-ctx.Done():
		return fmt.Errorf("link: leave: the primary does not answer: %w", ctx.Err())
	}
}

// once runs one session.
func (a *Agent) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	var tunnels sync.WaitGroup
	defer tunnels.Wait()
	defer s.Close()
	tunnels.Go(func() { a.acceptTunnels(ctx, s) })
	renewed, err := a.renewIfDue(ctx, s)
	switch {
	case renewed && err == nil:
		return errReconnect
	case err != nil:
		// The old certificate may have days left; the primary decides.
		a.cfg.Log.Warn("certificate not renewed", "error", err)
	}
	feed, err := s.Open(ctx, session.StreamFeed)
	if err != nil {
		return err
	}
	return a.follow(ctx, s, feed)
}

var errReconnect = errors.New("link: connecting again with the new certificate")

func (a *Agent) connect(ctx context.Context) (*session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Options.DialTimeout)
	defer cancel()
	credential, err := a.cfg.Host.Credential(ctx)
	if err != nil {
		return nil, fmt.Errorf("link: own certificate: %w", err)
	}
	conn, err := a.cfg.Dialer.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("link: dial the primary: %w", err)
	}
	var now func() time.Time
	if _, known := a.primaryTime(); known {
		now = func() time.Time { at, _ := a.primaryTime(); return at }
	}
	s, err := session.Client(ctx, conn, a.cfg.Trust(), credential, now)
	if errors.Is(err, session.ErrExpired) {
		a.forgetOffset()
	}
	return s, err
}

// forgetOffset lets the next session measure the primary's clock anew: one of the
// two may have been corrected since, and only a session can tell. The follower
// judges the certificate then.
func (a *Agent) forgetOffset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offset, a.measured = 0, false
}

// acceptTunnels serves what the primary opens.
func (a *Agent) acceptTunnels(ctx context.Context, s *session.Session) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		kind, stream, err := s.Accept(ctx)
		if err != nil {
			return
		}
		if kind != session.StreamTunnel {
			stream.Close()
			continue
		}
		running.Go(func() { a.cfg.Host.Tunnel(ctx, stream) })
	}
}

// renewIfDue asks for a new certificate when two thirds of the old one's life are
// over by the primary's clock; before that clock is known, nothing is due.
func (a *Agent) renewIfDue(ctx context.Context, s *session.Session) (bool, error) {
	credential, err := a.cfg.Host.Credential(ctx)
	if err != nil {
		return false, fmt.Errorf("link: own certificate: %w", err)
	}
	from, to, err := credential.Validity()
	if err != nil {
		return false, err
	}
	now, known := a.primaryTime()
	from = from.Add(session.Backdate)
	if !known || now.Before(from.Add(to.Sub(from)*2/3)) {
		return false, nil
	}
	return true, a.renew(ctx, s, credential)
}

func (a *Agent) renew(ctx context.Context, s *session.Session, old session.Credential) error {
	fresh, err := s.Renew(ctx, a.cfg.Trust(), old.Key)
	if err != nil {
		return fmt.Errorf("link: renew certificate: %w", err)
	}
	if err := a.cfg.Host.Renewed(ctx, fresh); err != nil {
		return fmt.Errorf("link: keep new certificate: %w", err)
	}
	a.cfg.Log.Info("certificate renewed")
	return nil
}
