// Package primary is the sending side of the feed. [Peer] is the state machine of
// one session with one member: frames, times and batches go in, [Effect] values
// come out; it starts no goroutine, reads no clock and touches no store. [Sealer]
// turns what a store holds into signed frames, and [Cache] shares them, so that a
// batch is encoded and signed once however many members it goes to.
package primary

import (
	"errors"
	"fmt"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

var (
	// ErrSilent says that the member was not heard for too long.
	ErrSilent = errors.New("member is silent")
	// ErrProtocol says that the member sent what it must not send now.
	ErrProtocol = errors.New("protocol violated")
)

// Effect is something that the driver is to do.
type Effect interface{ effect() }

type (
	// Send asks for a frame to be sent.
	Send struct{ Frame wire.Frame }
	// Beat asks for a heartbeat for a member with this entitlement, signed by
	// [Sealer.Heartbeat].
	Beat struct{ Entitled syncer.Entitlement }
	// Fetch asks for the batch after a revision, read when the head was not below
	// Least; the driver answers with [Peer.Fetched].
	Fetch struct {
		Stream syncer.Stream
		After  uint64
		Least  uint64
	}
	// Answer asks for the comparison of a node, as [Sealer.Difference] makes it.
	Answer struct{ Question wire.Compare }
	// OpenEpoch asks for a new epoch above that of Shown, a head that this primary
	// has signed and, as far as the peer knows, lost. The driver asks its store, and
	// opens none unless [OpenEpoch.Lost] says so.
	OpenEpoch struct{ Shown wire.Place }
	// Summary hands on opaque bytes of the member.
	Summary struct{ Body []byte }
	// Orphans hands on records that the member holds from an earlier epoch and that
	// the primary did not know when they were compared. What was taken over is
	// answered with a [wire.EncodeSettled] frame.
	Orphans struct{ Records []syncer.Record }
	// Left says that the member leaves the federation.
	Left struct{}
)

// Lost reports whether a store that is in epoch and has these heads has lost the
// head that was shown.
func (e OpenEpoch) Lost(epoch uint64, heads []syncer.Head) bool {
	here := syncer.Position{Epoch: epoch}
	for _, h := range heads {
		if h.Stream == e.Shown.Stream {
			here.Revision = h.Revision
		}
	}
	return e.Shown.Position.Compare(here) > 0
}

func (Send) effect()      {}
func (Beat) effect()      {}
func (Fetch) effect()     {}
func (Answer) effect()    {}
func (OpenEpoch) effect() {}
func (Summary) effect()   {}
func (Orphans) effect()   {}
func (Left) effect()      {}

// Config is what a peer needs to know.
type Config struct {
	// Federation is the id of the federation.
	Federation string
	// Keys verifies what this primary signed, now or under an earlier content key.
	Keys wire.Verifier
	// Rotations is the chain of content keys so far.
	Rotations []syncer.Rotation
	// Product and Capabilities go into the hello.
	Product      string
	Capabilities []string
	// Window bounds the bytes of batches that are sent and not yet acknowledged.
	// One batch is always allowed.
	Window int
	// Interval is the time between heartbeats.
	Interval time.Duration
}

// Peer is the state of one session. It is not safe for concurrent use.
type Peer struct {
	cfg   Config
	epoch uint64
	// entitled is what the member receives; known, like epoch, when informed.
	entitled syncer.Entitlement
	informed bool
	flows    map[syncer.Stream]*flow
	inFlight int

	hello       *wire.Hello
	heard, beat time.Time
	offset      time.Duration
}

// flow is one stream on its way to one member.
type flow struct {
	head syncer.Head
	// wanted says that the member asked for the stream, fresh that its copy was
	// empty then and the first batch decides its floor.
	wanted, fresh bool
	sent, acked   uint64
	floor         uint64
	// seen is the latest head that the member knows, or will from what was sent.
	seen uint64
	// epoch is that of acked, which may still be an earlier one.
	epoch  uint64
	unsent []pending
}

// pending is a batch that was sent and not yet acknowledged.
type pending struct {
	to   uint64
	size int
}

// NewPeer returns the state of a session that begins now.
func NewPeer(cfg Config, now time.Time) *Peer {
	return &Peer{cfg: cfg, flows: map[syncer.Stream]*flow{}, heard: now, beat: now}
}

// Heard notes a sign of life that is not a whole frame yet.
func (p *Peer) Heard(now time.Time) { p.heard = now }

// Tick returns the heartbeat when it is due, and fails with [ErrSilent] when the
// member was silent for three intervals.
func (p *Peer) Tick(now time.Time) ([]Effect, error) {
	if silent := now.Sub(p.heard); silent > 3*p.cfg.Interval {
		return nil, fmt.Errorf("primary: nothing heard for %s: %w", silent.Round(time.Millisecond), ErrSilent)
	}
	if p.hello == nil || now.Sub(p.beat) < p.cfg.Interval {
		return nil, nil
	}
	return p.beatNow(now), nil
}

// beatNow says nothing before both the feed and the member are known: a heartbeat
// makes the member forget what it is not entitled to.
func (p *Peer) beatNow(now time.Time) []Effect {
	if !p.informed || p.hello == nil {
		return nil
	}
	p.beat = now
	return []Effect{Beat{Entitled: p.entitled}}
}

// Heads takes the current state of the feed and what the member is entitled to.
// What the member asked for earlier is sent on at once; a stream or an epoch that
// is new to it is announced by a heartbeat.
func (p *Peer) Heads(now time.Time, epoch uint64, heads []syncer.Head, entitled syncer.Entitlement) []Effect {
	news := !p.informed || epoch != p.epoch || !entitled.Equal(p.entitled)
	if epoch != p.epoch {
		for _, f := range p.flows {
			p.stop(f)
		}
	}
	p.epoch, p.entitled, p.informed = epoch, entitled, true
	for stream, f := range p.flows {
		if !entitled.Allows(stream.Scope) {
			p.stop(f)
			delete(p.flows, stream)
		}
	}
	for _, head := range heads {
		if !entitled.Allows(head.Stream.Scope) {
			continue
		}
		f := p.flow(head.Stream)
		news = news || (!f.wanted && f.head.Revision == 0)
		f.head = head
	}
	if p.hello == nil {
		return nil
	}
	var effects []Effect
	if news {
		effects = p.beatNow(now)
	}
	return append(effects, p.next()...)
}

func (p *Peer) flow(s syncer.Stream) *flow {
	f, ok := p.flows[s]
	if !ok {
		f = &flow{head: syncer.Head{Stream: s}}
		p.flows[s] = f
	}
	return f
}

// stop ends the sending of a stream until the member asks again.
func (p *Peer) stop(f *flow) {
	for _, b := range f.unsent {
		p.inFlight -= b.size
	}
	f.wanted, f.unsent = false, nil
}

// next asks for the most important batch that is missing, if there is room.
func (p *Peer) next() []Effect {
	if p.inFlight >= p.cfg.Window {
		return nil
	}
	var best *flow
	for _, f := range p.flows {
		if f.wanted && f.sent < f.head.Revision && (best == nil || f.head.Stream.Compare(best.head.Stream) < 0) {
			best = f
		}
	}
	if best == nil {
		return nil
	}
	return []Effect{Fetch{Stream: best.head.Stream, After: best.sent, Least: best.seen}}
}

// Fetched takes a batch that [Fetch] asked for and sends it, unless the member has
// moved in the meantime, or has missed deletions and must compare trees first.
func (p *Peer) Fetched(now time.Time, e Fetch, b Sealed) []Effect {
	f, ok := p.flows[e.Stream]
	if !ok || !f.wanted || f.sent != e.After {
		return p.next()
	}
	if b.Epoch != p.epoch {
		return nil // Heads will tell
	}
	if b.Head.Revision >= f.head.Revision {
		f.head = b.Head
	}
	if f.fresh {
		f.floor, f.fresh = b.Head.Floor, false
	}
	if f.head.Missed(e.After, f.floor) {
		p.stop(f)
		return append(p.beatNow(now), p.next()...)
	}
	size := b.Frame.Size()
	f.seen = max(f.seen, b.Head.Revision)
	f.sent, f.unsent = b.To, append(f.unsent, pending{b.To, size})
	p.inFlight += size
	return append([]Effect{Send{b.Frame}}, p.next()...)
}
