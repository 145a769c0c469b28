package simtest

import (
	"crypto/ed25519"
	"encoding/binary"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/member"
	"github.com/muster-sec/muster/syncer/wire"
)

func publicKey(w *world) ed25519.PublicKey { return w.key.Public().(ed25519.PublicKey) }

// memberNode is one member's process and its disk.
type memberNode struct {
	w        *world
	id       int
	store    *watched
	entitled syncer.Entitlement
	parted   bool

	conn    *connection
	machine *member.Machine
	dials   uint64
}

func newMemberNode(w *world, id int, store syncer.MemberStore) *memberNode {
	m := &memberNode{w: w, id: id, entitled: syncer.Entitlement{All: true}}
	m.store = newWatched(w, id, store)
	w.after(w.between(0, time.Second), m.dial)
	return m
}

// dial connects, or tries again later.
func (m *memberNode) dial() {
	if m.conn != nil {
		return
	}
	if m.parted || !m.w.primary.up {
		m.w.after(m.w.between(100*time.Millisecond, time.Second), m.dial)
		return
	}
	state, err := m.store.State(m.w.ctx)
	if err != nil {
		m.w.violate("member %d: state: %v", m.id, err)
		return
	}
	ring, err := syncer.NewRing(federation, publicKey(m.w))
	if err != nil {
		m.w.violate("ring: %v", err)
		return
	}
	m.dials++
	cfg := member.Config{Federation: federation, Member: "m", Ring: ring, Codec: m.w.codec, Silence: 3 * interval}
	binary.BigEndian.PutUint64(cfg.Challenge[:], uint64(m.id))
	binary.BigEndian.PutUint64(cfg.Challenge[8:], m.dials)
	m.w.report.Sessions++
	m.machine = member.New(cfg, state)
	m.conn = &connection{w: m.w, member: m, open: true}
	m.w.primary.accept(m.conn)
	m.perform(m.conn, m.machine.Start(m.w.now), nil)
}

// hangUp is called when a connection has ended.
func (m *memberNode) hangUp(c *connection) {
	if m.conn == c {
		m.conn, m.machine = nil, nil
		m.w.after(m.w.between(20*time.Millisecond, time.Second), m.dial)
	}
}

func (m *memberNode) receive(c *connection, f wire.Frame) {
	if m.conn == c {
		effects, err := m.machine.Frame(m.w.now, f)
		m.perform(c, effects, err)
	}
}

func (m *memberNode) tick() {
	if m.conn != nil {
		m.perform(m.conn, nil, m.machine.Tick(m.w.now))
	}
}

// mayDie kills the process between two operations: what it knows goes, what its
// store has committed stays.
func (m *memberNode) mayDie() error {
	if m.w.chance(m.w.odds.kill) {
		return errKilled
	}
	return nil
}

func (m *memberNode) perform(c *connection, effects []member.Effect, err error) {
	for len(effects) > 0 && err == nil && m.conn == c {
		var more []member.Effect
		more, err = m.one(c, effects[0])
		effects = append(more, effects[1:]...)
	}
	if err != nil {
		c.close()
	}
}

func (m *memberNode) one(c *connection, e member.Effect) ([]member.Effect, error) {
	if err := m.mayDie(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case member.Send:
		c.send(toPrimary, e.Frame)
	case member.Apply:
		root, err := m.store.Apply(m.w.ctx, e.Change)
		if err != nil {
			return nil, err
		}
		if err := m.mayDie(); err != nil {
			return nil, err
		}
		return m.machine.Applied(e, root), nil
	case member.Load:
		node, err := syncer.NodeAt(func(p syncer.Prefix) ([]byte, error) {
			return m.store.Node(m.w.ctx, e.Stream, p)
		}, e.Prefix)
		if err != nil {
			return nil, err
		}
		return m.machine.Loaded(e, node), nil
	case member.LoadOrphans:
		records, err := m.store.Orphans(m.w.ctx, batchLimit())
		if err != nil {
			return nil, err
		}
		return m.machine.Orphans(records), nil
	case member.Removed:
		m.w.violate("member %d believes that it was removed", m.id)
	}
	return nil, nil
}
