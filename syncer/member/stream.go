package member

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

// stream is what a session knows of one stream.
type stream struct {
	name syncer.Stream
	// mark is what is durable. held says that the store has something of the
	// stream, whatever the mark says.
	mark syncer.Mark
	held bool
	// root is that of the store's tree; known only when rooted.
	root   syncer.Hash
	rooted bool
	// head is the primary's, from the last heartbeat.
	head syncer.Head
	// moved is the latest head that any answer of this session named; it may be
	// ahead of the last heartbeat.
	moved uint64
	// wanted says that the primary was asked to send, quiet counts the heartbeats
	// since anything came although something should.
	wanted bool
	quiet  int

	comparison *comparison
}

// patience is the number of heartbeats after which a request is repeated.
const patience = 2

// evaluate decides what a stream needs now. beat says that a heartbeat is the
// occasion, which is what drives repetition.
func (m *Machine) evaluate(s *stream, beat bool) []Effect {
	pos, head := s.mark.Position, s.head
	if beat {
		s.quiet++
	}
	switch {
	case s.comparison != nil:
		if s.comparison.epoch != m.beat.Epoch || s.quiet > patience {
			return m.compare(s)
		}
		return nil
	case m.ahead(s):
		return m.sayAhead(s, beat)
	case !s.held && pos.IsZero():
		if head.Revision == 0 {
			return nil
		}
	case pos.Epoch != m.beat.Epoch, head.Missed(pos.Revision, s.mark.Floor), head.Floor < s.mark.Floor:
		return m.compare(s) // a floor that has fallen is lost history, too
	case pos.Revision >= head.Revision:
		return m.checkRoot(s, beat)
	}
	if s.wanted && s.quiet <= patience {
		return nil
	}
	return m.want(s)
}

// ahead reports that the primary has lost history: it is behind a head that it has
// signed itself, and the stream has not just moved on since its heartbeat.
func (m *Machine) ahead(s *stream) bool {
	seen := syncer.Position{Epoch: s.mark.Position.Epoch, Revision: max(s.mark.Position.Revision, s.mark.Seen)}
	said := syncer.Position{Epoch: m.beat.Epoch, Revision: max(s.head.Revision, s.moved)}
	return seen.Compare(said) > 0
}

// want asks for everything after the mark, from now on.
func (m *Machine) want(s *stream) []Effect {
	s.wanted, s.quiet = true, 0
	place := wire.Place{Stream: s.name, Position: s.mark.Position, Floor: s.mark.Floor, Seen: s.mark.Seen}
	return []Effect{Send{place.Want()}}
}

// sayAhead proves to the primary that it has lost history.
func (m *Machine) sayAhead(s *stream, beat bool) []Effect {
	if !beat || len(s.mark.Seal) == 0 {
		return nil
	}
	return []Effect{Send{wire.Frame{Type: wire.TypeAhead, Body: s.mark.Seal}}}
}

// checkRoot proves, at equal positions, that both sides hold the same.
func (m *Machine) checkRoot(s *stream, beat bool) []Effect {
	var effects []Effect
	switch {
	case !s.rooted:
		then := func(n syncer.Node) []Effect {
			s.root, s.rooted = n.Hash(), true
			return m.evaluate(s, false)
		}
		return []Effect{Load{Stream: s.name, then: then}}
	case s.mark.Position.Revision == s.head.Revision && s.root != s.head.Root:
		return m.compare(s)
	}
	if !s.wanted {
		effects = m.want(s)
	}
	if beat {
		s.quiet = 0
	}
	return effects
}

func (m *Machine) takeBatch(body []byte) ([]Effect, error) {
	b, err := wire.OpenBatch(body, m.cfg.Federation, m.cfg.Ring, m.cfg.Codec)
	if err != nil {
		return nil, err
	}
	s, ok := m.streams[b.Stream]
	if !ok || s.comparison != nil || b.Epoch != m.beat.Epoch {
		return nil, nil // late: the next heartbeat sorts it out
	}
	pos := s.mark.Position
	fresh := !s.held && pos.IsZero()
	switch {
	case pos.Epoch != b.Epoch && !fresh:
		return nil, nil
	case !fresh && b.To <= pos.Revision:
		return []Effect{Send{m.place(s).Ack()}}, nil
	case b.From != pos.Revision, b.Head < s.mark.Seen, b.Floor < s.mark.Floor:
		s.quiet += patience // a hole or an old answer: ask again at the next heartbeat
		return nil, nil
	}
	return m.applyBatch(s, b, fresh), nil
}

func (m *Machine) applyBatch(s *stream, b wire.Batch, fresh bool) []Effect {
	mark := syncer.Mark{
		Stream: s.name, Position: syncer.Position{Epoch: b.Epoch, Revision: b.To},
		Floor: s.mark.Floor, Seen: b.Head, Seal: sealOf(wire.TypeBatch, b.Seal),
	}
	if fresh {
		mark.Floor = b.Floor
	}
	then := func(root syncer.Hash) []Effect {
		s.mark, s.held, s.root, s.rooted = mark, true, root, true
		s.moved, s.quiet = max(s.moved, b.Head), 0
		effects := []Effect{Send{m.place(s).Ack()}}
		if b.Final() && root != b.Root {
			effects = append(effects, m.compare(s)...)
		}
		return effects
	}
	return []Effect{Apply{Change: syncer.Change{Stream: s.name, Put: b.Records, Mark: &mark}, then: then}}
}

func (m *Machine) place(s *stream) wire.Place {
	return wire.Place{Stream: s.name, Position: s.mark.Position}
}

// sealOf encodes a seal so that [wire.OpenEvidence] can tell what it is of.
func sealOf(t wire.Type, s wire.Seal) []byte { return wire.Evidence{Type: t, Seal: s}.Encode() }

// challenge returns a number that nobody outside can foresee.
func (m *Machine) challenge() (c wire.Challenge) {
	m.challenges++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(m.cfg.Challenge[:], m.challenges))
	copy(c[:], sum[:])
	return c
}
