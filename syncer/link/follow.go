package link

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/member"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/wire"
)

// follower is the member's side of one session.
type follower struct {
	*Agent
	session *session.Session
	pipe    *pipe
	// leaving are those who wait for the farewell.
	leaving []chan error
	// judged says that the primary's certificate was held against its own clock;
	// renewal is not tried again before retry.
	judged bool
	retry  time.Time
}

// left answers those who wait for the farewell.
func (f *follower) left(err error) {
	for _, said := range f.leaving {
		said <- err
	}
	f.leaving = nil
}

// follow runs the feed of one session until it ends.
func (a *Agent) follow(outer context.Context, s *session.Session, feed net.Conn) error {
	machine, err := a.newMachine(outer)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.machine = machine
	a.mu.Unlock()
	o := a.cfg.Options
	f := &follower{Agent: a, session: s, pipe: newPipe(feed, o.Window+o.Limits.Message)}
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	var moving sync.WaitGroup
	moving.Go(func() { cancel(f.pipe.run(ctx, o.Limits, a.cfg.Now)) })
	cancel(f.loop(ctx))
	moving.Wait()
	err = context.Cause(ctx)
	f.left(err)
	a.mu.Lock()
	a.observe()
	greeted := machine.Status().Epoch != 0
	a.machine = nil
	a.mu.Unlock()
	if !greeted && errors.Is(err, io.EOF) {
		return f.shutOut(outer, err)
	}
	return err
}

// shutOut is called when the primary accepts the session and refuses the feed. By
// its clock the certificate must have expired, even if ours says otherwise.
func (f *follower) shutOut(ctx context.Context, cause error) error {
	old, err := f.cfg.Host.Credential(ctx)
	if err == nil {
		err = f.renew(ctx, f.session, old)
	}
	if err != nil {
		return errors.Join(cause, err)
	}
	return errReconnect
}

func (a *Agent) newMachine(ctx context.Context) (*member.Machine, error) {
	state, err := a.cfg.Store.State(ctx)
	if err != nil {
		return nil, fmt.Errorf("link: read own state: %w", err)
	}
	ring, err := syncer.NewRing(a.cfg.Federation, a.cfg.ContentKey)
	if err != nil {
		return nil, err
	}
	if _, err := ring.Accept(state.Rotations); err != nil {
		return nil, fmt.Errorf("link: stored content keys: %w", err)
	}
	cfg := member.Config{
		Federation: a.cfg.Federation, Member: a.cfg.Member, Ring: ring, Codec: a.cfg.Codec,
		Product: a.cfg.Options.Product, Capabilities: a.cfg.Options.Capabilities,
		Silence: a.cfg.Options.DialTimeout,
	}
	if _, err := io.ReadFull(rand.Reader, cfg.Challenge[:]); err != nil {
		return nil, fmt.Errorf("link: challenge: %w", err)
	}
	return member.New(cfg, state), nil
}

// loop owns the machine.
func (f *follower) loop(ctx context.Context) error {
	ticker := time.NewTicker(f.cfg.Options.Interval / 4)
	defer ticker.Stop()
	summary := time.NewTicker(f.cfg.Options.Summary)
	defer summary.Stop()
	err := f.step(ctx, func() ([]member.Effect, error) { return f.machine.Start(f.cfg.Now()), nil })
	if err == nil {
		err = f.summarise(ctx)
	}
	for err == nil {
		select {
		case frame, open := <-f.pipe.frames:
			if !open {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			err = f.step(ctx, func() ([]member.Effect, error) { return f.machine.Frame(f.cfg.Now(), frame) })
		case <-ticker.C:
			err = f.tick(ctx)
		case <-summary.C:
			err = f.summarise(ctx)
		case said := <-f.leave:
			f.leaving = append(f.leaving, said)
			err = f.step(ctx, func() ([]member.Effect, error) { return f.machine.Leave(), nil })
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

func (f *follower) step(ctx context.Context, input func() ([]member.Effect, error)) error {
	f.mu.Lock()
	effects, err := input()
	f.mu.Unlock()
	for len(effects) > 0 && err == nil {
		var more []member.Effect
		more, err = f.perform(ctx, effects[0])
		// What follows from an effect comes before what was asked for after it.
		effects = append(more, effects[1:]...)
	}
	return err
}

// tick notices silence, judges the primary's certificate once there is an offset
// to judge by, and renews the own one.
func (f *follower) tick(ctx context.Context) error {
	f.mu.Lock()
	if heard := f.pipe.lastHeard(); !heard.IsZero() {
		f.machine.Heard(heard)
	}
	err := f.machine.Tick(f.cfg.Now())
	f.observe()
	f.mu.Unlock()
	if err != nil {
		return err
	}
	now, known := f.primaryTime()
	if !known {
		return nil
	}
	if !f.judged {
		f.judged = true
		if !f.session.Peer().ValidAt(now) {
			return fmt.Errorf("link: primary's certificate by its own clock: %w", session.ErrExpired)
		}
	}
	if now.Before(f.retry) {
		return nil
	}
	if _, err := f.renewIfDue(ctx, f.session); err != nil {
		f.retry = now.Add(f.cfg.Options.RetryMax)
		f.cfg.Log.Warn("certificate not renewed, trying again", "error", err)
	}
	return nil
}

func (f *follower) summarise(ctx context.Context) error {
	body, err := f.cfg.Host.Summary(ctx)
	if err != nil {
		f.cfg.Log.Warn("no summary for the primary", "error", err)
		return nil
	}
	if body == nil {
		return nil
	}
	return f.step(ctx, func() ([]member.Effect, error) { return f.machine.Summary(body), nil })
}

// perform carries out one effect. The lock is held only while the machine works.
func (f *follower) perform(ctx context.Context, e member.Effect) ([]member.Effect, error) {
	switch e := e.(type) {
	case member.Send:
		if e.Frame.Type == wire.TypeAck {
			return nil, f.pipe.sendIdly(e.Frame)
		}
		return nil, f.pipe.send(e.Frame)
	case member.Apply:
		root, err := f.cfg.Store.Apply(ctx, e.Change)
		if err != nil {
			return nil, fmt.Errorf("link: apply change of %s: %w", e.Change.Stream, err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.machine.Applied(e, root), nil
	case member.Load:
		node, err := syncer.NodeAt(func(p syncer.Prefix) ([]byte, error) {
			return f.cfg.Store.Node(ctx, e.Stream, p)
		}, e.Prefix)
		if err != nil {
			return nil, fmt.Errorf("link: read tree of %s: %w", e.Stream, err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.machine.Loaded(e, node), nil
	case member.LoadOrphans:
		records, err := f.cfg.Store.Orphans(ctx, f.cfg.Options.Batch)
		if err != nil {
			return nil, fmt.Errorf("link: read orphans: %w", err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.machine.Orphans(records), nil
	case member.Removed:
		return nil, f.removed(ctx, e.Notice)
	}
	return nil, fmt.Errorf("link: effect %T: %w", e, errors.ErrUnsupported)
}

func (f *follower) removed(ctx context.Context, notice wire.Notice) error {
	err := f.cfg.Host.Removed(ctx, notice)
	f.left(err)
	if err != nil {
		return fmt.Errorf("link: clean up after removal: %w", err)
	}
	return fmt.Errorf("link: %s: %s: %w", notice.Code, notice.Reason, ErrRemoved)
}
