package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/primary"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/wire"
)

var (
	errDismissed = errors.New("membership is over")
	errRevoked   = errors.New("member was revoked")
)

// departure is how long a dismissed member may take to hang up.
const departure = 3 * time.Second

// client is one session of the hub.
type client struct {
	hub     *Hub
	peer    session.Peer
	session *session.Session
	pipe    *pipe
	since   time.Time

	// woken, orders and again are signals to the goroutine that owns the machine.
	woken  chan struct{}
	again  chan struct{}
	orders chan order

	mu       sync.Mutex // guards what follows; held while the machine works
	standing Standing
	machine  *primary.Peer
}

// order is something that is said to a member from outside its session.
type order struct {
	frame wire.Frame
	last  bool
}

func newClient(h *Hub, s *session.Session, feed net.Conn, standing Standing) *client {
	now, o := h.cfg.Now(), h.cfg.Options
	return &client{
		hub: h, peer: s.Peer(), session: s, standing: standing, since: now,
		pipe:  newPipe(feed, 2*o.Window+o.Limits.Message),
		woken: make(chan struct{}, 1), again: make(chan struct{}, 1), orders: make(chan order, 8),
		machine: primary.NewPeer(primary.Config{
			Federation: h.cfg.Federation, Keys: h.cfg.Keys, Rotations: h.signing.Load().rotations,
			Product: o.Product, Capabilities: o.Capabilities, Window: o.Window, Interval: o.Interval,
		}, now),
	}
}

func (c *client) wake()     { signal(c.woken) }
func (c *client) reassess() { signal(c.again) }

func (c *client) announce(rotations []syncer.Rotation) {
	c.order(order{frame: wire.EncodeKeys(rotations)})
}

// dismiss says farewell; the session ends when it is said.
func (c *client) dismiss(code, reason string) {
	notice := wire.Notice{Member: c.peer.ID, Code: code, Reason: reason, Time: c.hub.cfg.Now()}
	c.order(order{frame: c.hub.signing.Load().sealer.Notice(notice), last: true})
}

// order never blocks: a session that does not take its orders is closed, and the
// member asks again when it returns.
func (c *client) order(o order) {
	select {
	case c.orders <- o:
	default:
		c.session.Close()
	}
}

func (c *client) status() primary.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.machine.Status()
}

// run serves the member until the session ends and returns why it did.
func (c *client) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var moving sync.WaitGroup
	moving.Go(func() { cancel(c.pipe.run(ctx, c.hub.cfg.Options.Limits, c.hub.cfg.Now)) })
	cancel(c.loop(ctx))
	moving.Wait()
	return context.Cause(ctx)
}

// loop owns the machine.
func (c *client) loop(ctx context.Context) error {
	ticker := time.NewTicker(c.hub.cfg.Options.Interval / 4)
	defer ticker.Stop()
	if c.standing.Removed != "" {
		c.dismiss(NoticeRemoved, c.standing.Removed)
		return c.depart(ctx, <-c.orders)
	}
	c.wake()
	for {
		var err error
		select {
		case f, open := <-c.pipe.frames:
			if !open {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			err = c.frame(ctx, f)
		case <-c.woken:
			err = c.step(ctx, c.heads)
		case <-c.again:
			err = c.restand(ctx)
		case o := <-c.orders:
			if o.last {
				return c.depart(ctx, o)
			}
			err = c.pipe.send(o.frame)
		case <-ticker.C:
			err = c.tick(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// depart sends the last frame and waits for the member to hang up: who hangs up
// first with unread bytes in the other direction may tear off what was sent.
func (c *client) depart(ctx context.Context, o order) error {
	if err := c.pipe.send(o.frame); err != nil {
		return err
	}
	timer := time.NewTimer(departure)
	defer timer.Stop()
	for {
		select {
		case _, open := <-c.pipe.frames:
			if !open {
				return errDismissed
			}
		case <-timer.C:
			return errDismissed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// step lets the machine work once and carries out what it asks for.
func (c *client) step(ctx context.Context, input func() ([]primary.Effect, error)) error {
	c.mu.Lock()
	effects, err := input()
	c.mu.Unlock()
	for len(effects) > 0 && err == nil {
		var more []primary.Effect
		more, err = c.perform(ctx, effects[0])
		effects = append(effects[1:], more...)
	}
	return err
}

func (c *client) frame(ctx context.Context, f wire.Frame) error {
	if c.hub.cfg.Members.Revoked(c.peer) {
		return errRevoked
	}
	return c.step(ctx, func() ([]primary.Effect, error) { return c.machine.Frame(c.hub.cfg.Now(), f) })
}

func (c *client) tick(ctx context.Context) error {
	if c.hub.cfg.Members.Revoked(c.peer) {
		return errRevoked
	}
	return c.step(ctx, func() ([]primary.Effect, error) {
		if heard := c.pipe.lastHeard(); !heard.IsZero() {
			c.machine.Heard(heard)
		}
		return c.machine.Tick(c.hub.cfg.Now())
	})
}

func (c *client) heads() ([]primary.Effect, error) {
	feed := c.hub.feed.Load()
	if feed == nil {
		return nil, nil
	}
	return c.machine.Heads(c.hub.cfg.Now(), feed.epoch, feed.heads, c.standing.Entitled), nil
}

func (c *client) restand(ctx context.Context) error {
	standing, err := c.hub.cfg.Members.Standing(ctx, c.peer)
	if err != nil {
		return err
	}
	if standing.Removed != "" {
		c.dismiss(NoticeRemoved, standing.Removed)
		return nil
	}
	return c.step(ctx, func() ([]primary.Effect, error) {
		c.standing = standing
		return c.heads()
	})
}

// perform carries out one effect. The lock is held only while the machine works,
// never while the store or the member does.
func (c *client) perform(ctx context.Context, e primary.Effect) ([]primary.Effect, error) {
	switch e := e.(type) {
	case primary.Send:
		return nil, c.pipe.send(e.Frame)
	case primary.Beat:
		return nil, c.pipe.send(c.hub.beat(e.Entitled))
	case primary.Fetch:
		return c.fetch(ctx, e)
	case primary.Answer:
		frame, err := c.hub.signing.Load().sealer.Difference(ctx, e.Question)
		if err != nil {
			return nil, err
		}
		return nil, c.pipe.send(frame)
	case primary.OpenEpoch:
		return nil, c.hub.openEpoch(ctx, c.peer.ID, e)
	case primary.Summary:
		return nil, c.hub.cfg.Members.Summary(ctx, c.peer.ID, e.Body)
	case primary.Orphans:
		settled, err := c.hub.cfg.Members.Orphans(ctx, c.peer.ID, e.Records)
		if err != nil || len(settled) == 0 {
			return nil, err
		}
		return nil, c.pipe.send(wire.EncodeSettled(settled))
	case primary.Left:
		if err := c.hub.cfg.Members.Left(ctx, c.peer.ID); err != nil {
			return nil, fmt.Errorf("link: member %q leaves: %w", c.peer.ID, err)
		}
		c.dismiss(NoticeLeft, "the member has left the federation")
		return nil, nil
	}
	return nil, fmt.Errorf("link: effect %T: %w", e, errors.ErrUnsupported)
}

func (c *client) fetch(ctx context.Context, e primary.Fetch) ([]primary.Effect, error) {
	batch, err := c.hub.signing.Load().cache.Batch(ctx, e)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.machine.Fetched(c.hub.cfg.Now(), e, batch), nil
}
