package member

import (
	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

// comparison is one descent of the trees of both sides. It freezes the stream:
// batches are ignored until it ends, so the tree here stays as it was except for
// what the comparison itself repairs.
type comparison struct {
	challenge wire.Challenge
	epoch     uint64
	// orphans says that what is thrown away may be all that is left of it.
	orphans bool
	// mark is where the stream stands when all answers are in: at the head that
	// the first answer named. Later answers were read at or after it.
	mark     syncer.Mark
	answered bool
	// asked holds the hashes of nodes that are out for comparison.
	asked map[syncer.Prefix]syncer.Hash
	// todo is a stack, so that its height is bounded by the depth of the trees.
	todo []syncer.Prefix
}

// width is the number of nodes that are out for comparison at a time.
const width = 8

// compare starts or restarts the comparison of s. Only one stream is compared at
// a time, the most important first; the others follow at its end.
//
// What the comparison throws away is kept as orphans, unless the only reason for
// it is that tombstones were collected: then it is known to be deleted.
func (m *Machine) compare(s *stream) []Effect {
	if m.comparing != nil && m.comparing != s {
		if m.comparing.name.Compare(s.name) < 0 {
			return nil
		}
		m.comparing.comparison = nil
	}
	pos := s.mark.Position
	deletions := pos.Epoch == m.beat.Epoch && s.head.Missed(pos.Revision, s.mark.Floor)
	s.comparison = &comparison{
		challenge: m.challenge(), epoch: m.beat.Epoch, orphans: !deletions,
		asked: map[syncer.Prefix]syncer.Hash{}, todo: []syncer.Prefix{""},
	}
	m.comparing, s.wanted, s.quiet = s, false, 0
	return m.ask(s)
}

// ask sends as many nodes as may be out.
func (m *Machine) ask(s *stream) []Effect {
	c := s.comparison
	var effects []Effect
	for len(c.todo) > 0 && len(c.asked) < width {
		prefix := c.todo[len(c.todo)-1]
		c.todo = c.todo[:len(c.todo)-1]
		c.asked[prefix] = syncer.Hash{}
		then := func(n syncer.Node) []Effect {
			if s.comparison != c {
				return nil
			}
			c.asked[prefix] = n.Hash()
			question := wire.Compare{Stream: s.name, Challenge: c.challenge, Prefix: prefix, Node: n}
			return []Effect{Send{question.Encode()}}
		}
		effects = append(effects, Load{Stream: s.name, Prefix: prefix, then: then})
	}
	return effects
}

func (m *Machine) takeDifference(body []byte) ([]Effect, error) {
	d, err := wire.OpenDifference(body, m.cfg.Federation, m.cfg.Ring, m.cfg.Codec)
	if err != nil {
		return nil, err
	}
	s, ok := m.streams[d.Stream]
	if !ok || s.comparison == nil || s.comparison.challenge != d.Challenge || d.Epoch != s.comparison.epoch {
		return nil, nil
	}
	c := s.comparison
	asked, ok := c.asked[d.Prefix]
	if !ok || asked != d.Asked {
		return nil, nil
	}
	delete(c.asked, d.Prefix)
	s.quiet, s.moved = 0, max(s.moved, d.Head)
	if !c.answered {
		c.answered = true
		c.mark = syncer.Mark{Stream: s.name, Position: syncer.Position{Epoch: d.Epoch, Revision: d.Head}}
	}
	if d.Head >= c.mark.Seen {
		c.mark.Seen, c.mark.Seal = d.Head, sealOf(wire.TypeDifference, d.Seal)
	}
	for _, digit := range d.Children {
		c.todo = append(c.todo, d.Prefix.Child(digit))
	}
	if d.More {
		c.todo = append(c.todo, d.Prefix)
	}
	if !d.Leaf {
		return m.proceed(s, c), nil
	}
	mark := s.mark
	if d.Epoch == mark.Position.Epoch && d.Head > mark.Seen {
		// The copy now holds what was read at d.Head; a primary that falls back
		// behind it must be noticed even when this comparison never ends.
		mark.Seen, mark.Seal = d.Head, sealOf(wire.TypeDifference, d.Seal)
	}
	change := syncer.Change{
		Stream: s.name, Replace: &syncer.Range{Prefix: d.Prefix, Keep: d.Keep},
		Put: d.Records, KeepOrphans: c.orphans, Mark: &mark,
	}
	then := func(root syncer.Hash) []Effect {
		s.mark, s.held, s.root, s.rooted = mark, true, root, true
		return m.proceed(s, c)
	}
	return []Effect{Apply{Change: change, then: then}}, nil
}

// proceed asks on, or ends the comparison when nothing is left to ask.
func (m *Machine) proceed(s *stream, c *comparison) []Effect {
	if s.comparison != c {
		return nil
	}
	if len(c.todo) > 0 || len(c.asked) > 0 {
		return m.ask(s)
	}
	then := func(root syncer.Hash) []Effect {
		s.mark, s.held, s.root, s.rooted = c.mark, true, root, true
		s.comparison, m.comparing = nil, nil
		effects := append([]Effect{Send{m.place(s).Ack()}}, m.want(s)...)
		for _, other := range m.sorted() {
			if other != s {
				effects = append(effects, m.evaluate(other, false)...)
			}
		}
		return effects
	}
	return []Effect{Apply{Change: syncer.Change{Stream: s.name, Mark: &c.mark}, then: then}}
}
