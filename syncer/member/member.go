// Package member is the receiving side of the feed as a state machine: frames,
// times and results of the store go in, [Effect] values come out. It starts no
// goroutine, reads no clock and touches no store; whoever drives it does, and
// carries out the effects in the order given.
//
// One machine lives as long as one session. What must outlive it is in the
// [syncer.MemberStore].
package member

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

var (
	// ErrSilent says that the primary was not heard for too long.
	ErrSilent = errors.New("primary is silent")
	// ErrProtocol says that the primary sent what it must not send now.
	ErrProtocol = errors.New("protocol violated")
)

// Effect is something that the driver is to do.
type Effect interface{ effect() }

type (
	// Send asks for a frame to be sent.
	Send struct{ Frame wire.Frame }
	// Apply asks for a change to be committed; the driver answers with
	// [Machine.Applied] before it hands in anything else.
	Apply struct {
		Change syncer.Change
		then   func(root syncer.Hash) []Effect
	}
	// Load asks for what the store's tree holds at a prefix, see [syncer.NodeAt];
	// the driver answers with [Machine.Loaded].
	Load struct {
		Stream syncer.Stream
		Prefix syncer.Prefix
		then   func(syncer.Node) []Effect
	}
	// LoadOrphans asks for some of the orphans in the store; the driver answers
	// with [Machine.Orphans].
	LoadOrphans struct{}
	// Removed says that the membership is over.
	Removed struct{ Notice wire.Notice }
)

func (Send) effect()        {}
func (Apply) effect()       {}
func (Load) effect()        {}
func (LoadOrphans) effect() {}
func (Removed) effect()     {}

// Config is what a machine needs to know of itself.
type Config struct {
	// Federation and Member are the ids of both.
	Federation, Member string
	// Ring holds the content keys that are trusted.
	Ring *syncer.Ring
	// Codec unpacks batches.
	Codec *wire.Codec
	// Product and Capabilities go into the hello.
	Product      string
	Capabilities []string
	// Challenge makes the challenges of this session unpredictable; the driver
	// fills it at random.
	Challenge [16]byte
	// Silence is how long the primary may be silent before it has said how often
	// it beats; afterwards three intervals count.
	Silence time.Duration
}

// Machine is the state of one session. It is not safe for concurrent use.
type Machine struct {
	cfg     Config
	streams map[syncer.Stream]*stream
	// comparing is the one stream whose tree is being compared, nil when none is.
	comparing  *stream
	challenges uint64

	started, heard time.Time
	hello          *wire.Hello
	beat           wire.Heartbeat
	rtt, offset    time.Duration
}

// New returns a machine that resumes from state.
func New(cfg Config, state syncer.MemberState) *Machine {
	m := &Machine{cfg: cfg, streams: map[syncer.Stream]*stream{}}
	for _, mark := range state.Marks {
		m.streams[mark.Stream] = &stream{name: mark.Stream, mark: mark, held: true}
	}
	return m
}

// Start returns what opens the session.
func (m *Machine) Start(now time.Time) []Effect {
	m.started, m.heard = now, now
	hello := wire.Hello{
		Protocol: wire.Protocol, Oldest: wire.Protocol, Federation: m.cfg.Federation,
		Clock: now, Product: m.cfg.Product, Capabilities: m.cfg.Capabilities,
	}
	return []Effect{Send{hello.Encode()}}
}

// Heard notes a sign of life that is not a whole frame yet.
func (m *Machine) Heard(now time.Time) { m.heard = now }

// Tick fails with [ErrSilent] when the primary has been silent for too long.
func (m *Machine) Tick(now time.Time) error {
	limit := m.cfg.Silence
	if m.beat.Interval > 0 {
		limit = 3 * m.beat.Interval
	}
	if silent := now.Sub(m.heard); silent > limit {
		return fmt.Errorf("member: nothing heard for %s: %w", silent.Round(time.Millisecond), ErrSilent)
	}
	return nil
}

// Frame takes one frame of the primary. An error ends the session.
func (m *Machine) Frame(now time.Time, f wire.Frame) ([]Effect, error) {
	m.heard = now
	if m.hello == nil && f.Type != wire.TypeHello && f.Type != wire.TypeNotice {
		return nil, fmt.Errorf("member: frame of type %d before the hello: %w", f.Type, ErrProtocol)
	}
	switch f.Type {
	case wire.TypeHello:
		return nil, m.takeHello(now, f.Body)
	case wire.TypeKeys:
		return m.takeKeys(f.Body)
	case wire.TypeHeartbeat:
		return m.takeHeartbeat(now, f.Body)
	case wire.TypeBatch:
		return m.takeBatch(f.Body)
	case wire.TypeDifference:
		return m.takeDifference(f.Body)
	case wire.TypeSettled:
		return m.takeSettled(f.Body)
	case wire.TypeNotice:
		return m.takeNotice(f.Body)
	}
	return nil, fmt.Errorf("member: a primary does not send frames of type %d: %w", f.Type, ErrProtocol)
}

// Applied takes the root that the store returned for a change.
func (m *Machine) Applied(e Apply, root syncer.Hash) []Effect {
	if e.then == nil {
		return nil
	}
	return e.then(root)
}

// Loaded takes the node that the store returned.
func (m *Machine) Loaded(e Load, node syncer.Node) []Effect { return e.then(node) }

// Orphans takes orphans that the store returned.
func (m *Machine) Orphans(records []syncer.Record) []Effect {
	if len(records) == 0 {
		return nil
	}
	return []Effect{Send{wire.EncodeOrphans(records)}}
}

// Leave returns what tells the primary that this member leaves the federation.
func (m *Machine) Leave() []Effect { return []Effect{Send{wire.Frame{Type: wire.TypeLeave}}} }

// Summary returns what carries opaque bytes to the primary.
func (m *Machine) Summary(body []byte) []Effect {
	return []Effect{Send{wire.Frame{Type: wire.TypeSummary, Body: body}}}
}

func (m *Machine) takeHello(now time.Time, body []byte) error {
	h, err := wire.DecodeHello(body)
	if err != nil {
		return err
	}
	if h.Federation != m.cfg.Federation {
		return fmt.Errorf("member: peer belongs to federation %q, not %q: %w", h.Federation, m.cfg.Federation, ErrProtocol)
	}
	if m.hello == nil {
		m.hello, m.rtt = &h, now.Sub(m.started)
		m.offset = h.Clock.Add(m.rtt / 2).Sub(now)
	}
	return nil
}

func (m *Machine) takeKeys(body []byte) ([]Effect, error) {
	chain, err := wire.DecodeKeys(body)
	if err != nil {
		return nil, err
	}
	added, err := m.cfg.Ring.Accept(chain)
	if len(added) == 0 {
		return nil, err
	}
	return []Effect{Apply{Change: syncer.Change{Rotations: added}}}, err
}

func (m *Machine) takeSettled(body []byte) ([]Effect, error) {
	orphans, err := wire.DecodeSettled(body)
	if err != nil || len(orphans) == 0 {
		return nil, err
	}
	more := func(syncer.Hash) []Effect { return []Effect{LoadOrphans{}} }
	return []Effect{Apply{Change: syncer.Change{Settled: orphans}, then: more}}, nil
}

func (m *Machine) takeNotice(body []byte) ([]Effect, error) {
	n, err := wire.OpenNotice(body, m.cfg.Federation, m.cfg.Ring)
	if err != nil {
		return nil, err
	}
	if n.Member != m.cfg.Member {
		return nil, fmt.Errorf("member: notice is for %q: %w", n.Member, ErrProtocol)
	}
	return []Effect{Removed{n}}, nil
}

// takeHeartbeat compares what the primary says with what is held here.
func (m *Machine) takeHeartbeat(now time.Time, body []byte) ([]Effect, error) {
	beat, err := wire.OpenHeartbeat(body, m.cfg.Federation, m.cfg.Ring)
	if err != nil {
		return nil, err
	}
	if beat.Epoch < m.beat.Epoch || (beat.Epoch == m.beat.Epoch && beat.Time.Before(m.beat.Time)) {
		return nil, nil // overtaken by a later one
	}
	m.beat, m.offset = beat, beat.Time.Add(m.rtt/2).Sub(now)
	effects := m.matchStreams()
	for _, s := range m.sorted() {
		effects = append(effects, m.evaluate(s, true)...)
	}
	effects = append(effects, Send{m.pulse(now).Encode()}, LoadOrphans{})
	return effects, nil
}

// matchStreams brings the known streams in line with the heartbeat and drops
// those that this member is no longer entitled to.
func (m *Machine) matchStreams() []Effect {
	var effects []Effect
	for _, s := range m.sorted() {
		name := s.name
		s.head = syncer.Head{Stream: name}
		if m.beat.Entitled.Allows(name.Scope) {
			continue
		}
		if m.comparing == s {
			m.comparing = nil
		}
		delete(m.streams, name)
		effects = append(effects, Apply{Change: syncer.Change{Stream: name, Drop: true}})
	}
	for _, head := range m.beat.Heads {
		if !m.beat.Entitled.Allows(head.Stream.Scope) {
			continue
		}
		s, ok := m.streams[head.Stream]
		if !ok {
			s = &stream{name: head.Stream, rooted: true, mark: syncer.Mark{Stream: head.Stream}}
			m.streams[head.Stream] = s
		}
		s.head = head
	}
	return effects
}

func (m *Machine) sorted() []*stream {
	streams := make([]*stream, 0, len(m.streams))
	for _, s := range m.streams {
		streams = append(streams, s)
	}
	slices.SortFunc(streams, func(a, b *stream) int { return a.name.Compare(b.name) })
	return streams
}

func (m *Machine) pulse(now time.Time) wire.Pulse {
	p := wire.Pulse{Clock: now, Offset: m.offset}
	for _, s := range m.sorted() {
		if !s.mark.Position.IsZero() {
			p.Places = append(p.Places, wire.Place{Stream: s.name, Position: s.mark.Position})
		}
	}
	return p
}
