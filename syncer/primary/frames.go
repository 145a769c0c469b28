package primary

import (
	"fmt"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

// Frame takes one frame of the member. An error ends the session.
func (p *Peer) Frame(now time.Time, f wire.Frame) ([]Effect, error) {
	p.heard = now
	if p.hello == nil && f.Type != wire.TypeHello {
		return nil, fmt.Errorf("primary: frame of type %d before the hello: %w", f.Type, ErrProtocol)
	}
	switch f.Type {
	case wire.TypeHello:
		return p.takeHello(now, f.Body)
	case wire.TypeWant:
		return p.takeWant(now, f.Body)
	case wire.TypeAck:
		return p.takeAck(f.Body)
	case wire.TypePulse:
		return p.takePulse(now, f.Body)
	case wire.TypeCompare:
		return p.takeCompare(f.Body)
	case wire.TypeAhead:
		return p.takeAhead(f.Body)
	case wire.TypeOrphans:
		records, err := wire.DecodeOrphans(f.Body)
		return []Effect{Orphans{records}}, err
	case wire.TypeSummary:
		return []Effect{Summary{f.Body}}, nil
	case wire.TypeLeave:
		return []Effect{Left{}}, nil
	}
	return nil, fmt.Errorf("primary: a member does not send frames of type %d: %w", f.Type, ErrProtocol)
}

func (p *Peer) takeHello(now time.Time, body []byte) ([]Effect, error) {
	h, err := wire.DecodeHello(body)
	if err != nil {
		return nil, err
	}
	if h.Federation != p.cfg.Federation {
		return nil, fmt.Errorf("primary: peer belongs to federation %q, not %q: %w", h.Federation, p.cfg.Federation, ErrProtocol)
	}
	if p.hello != nil {
		return nil, nil
	}
	p.hello, p.offset = &h, h.Clock.Sub(now)
	mine := wire.Hello{
		Protocol: wire.Protocol, Oldest: wire.Protocol, Federation: p.cfg.Federation,
		Clock: now, Product: p.cfg.Product, Capabilities: p.cfg.Capabilities,
	}
	effects := []Effect{Send{mine.Encode()}}
	if len(p.cfg.Rotations) > 0 {
		effects = append(effects, Send{wire.EncodeKeys(p.cfg.Rotations)})
	}
	return append(effects, p.beatNow(now)...), nil
}

// takeWant starts a stream, or says by a heartbeat why it cannot. A scope that was
// withdrawn while the question was under way is no offence.
func (p *Peer) takeWant(now time.Time, body []byte) ([]Effect, error) {
	place, err := wire.DecodePlace(body)
	if err != nil {
		return nil, err
	}
	if !p.entitled.Allows(place.Stream.Scope) {
		return p.beatNow(now), nil
	}
	f, pos := p.flow(place.Stream), place.Position
	p.stop(f)
	stale := !pos.IsZero() && (pos.Epoch != p.epoch || f.head.Missed(pos.Revision, place.Floor))
	if stale || pos.Revision > f.head.Revision {
		return p.beatNow(now), nil
	}
	f.wanted, f.fresh = true, pos.IsZero()
	f.sent, f.acked, f.epoch = pos.Revision, pos.Revision, p.epoch
	f.floor, f.seen = place.Floor, place.Seen
	return p.next(), nil
}

func (p *Peer) takeAck(body []byte) ([]Effect, error) {
	place, err := wire.DecodePlace(body)
	if err != nil {
		return nil, err
	}
	p.acknowledge(place)
	return p.next(), nil
}

// acknowledge notes what is durable at the member. It believes nothing beyond
// what was sent.
func (p *Peer) acknowledge(place wire.Place) {
	f, ok := p.flows[place.Stream]
	if !ok {
		return
	}
	if !f.wanted || place.Position.Epoch != p.epoch {
		f.epoch, f.acked = place.Position.Epoch, place.Position.Revision
		return
	}
	f.acked = max(f.acked, min(place.Position.Revision, f.sent))
	for len(f.unsent) > 0 && f.unsent[0].to <= f.acked {
		p.inFlight -= f.unsent[0].size
		f.unsent = f.unsent[1:]
	}
}

func (p *Peer) takePulse(now time.Time, body []byte) ([]Effect, error) {
	pulse, err := wire.DecodePulse(body)
	if err != nil {
		return nil, err
	}
	p.offset = pulse.Clock.Sub(now)
	for _, place := range pulse.Places {
		p.acknowledge(place)
	}
	return p.next(), nil
}

// takeCompare stops the stream: the member reads no batches while it compares.
func (p *Peer) takeCompare(body []byte) ([]Effect, error) {
	question, err := wire.DecodeCompare(body)
	if err != nil {
		return nil, err
	}
	if !p.entitled.Allows(question.Stream.Scope) {
		return nil, nil
	}
	p.stop(p.flow(question.Stream))
	return []Effect{Answer{question}}, nil
}

// takeAhead believes that history is lost only when this primary's own signature
// proves it; a member cannot make it up. Before the own heads are known there is
// nothing to compare with, and the member has heard none that it could be ahead of.
func (p *Peer) takeAhead(body []byte) ([]Effect, error) {
	place, err := wire.OpenEvidence(body, p.cfg.Federation, p.cfg.Keys)
	if err != nil {
		return nil, err
	}
	if !p.informed {
		return nil, nil
	}
	open, heads := OpenEpoch{Shown: place}, []syncer.Head(nil)
	if f, ok := p.flows[place.Stream]; ok {
		heads = append(heads, f.head)
	}
	if !open.Lost(p.epoch, heads) {
		return nil, nil
	}
	return []Effect{open}, nil
}
