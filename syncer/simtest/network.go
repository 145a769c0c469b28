package simtest

import (
	"bytes"
	"time"

	"github.com/muster-sec/muster/syncer/wire"
)

// connection joins a member with the primary. Frames arrive in order unless a
// fault decides otherwise.
type connection struct {
	w      *world
	member *memberNode
	open   bool
	// last is when the latest frame of each direction arrives.
	last [2]time.Time
}

type direction int

const (
	toPrimary direction = iota
	toMember
)

// send puts a frame on its way, through the real framing.
func (c *connection) send(to direction, f wire.Frame) {
	w := c.w
	if !c.open || c.member.parted || w.chance(w.odds.drop) {
		return
	}
	raw := f.Append(nil)
	if w.chance(w.odds.damage) {
		raw = bytes.Clone(raw)
		if at := w.rng.IntN(len(raw)); w.rng.IntN(2) == 0 {
			raw[at] ^= 1 << w.rng.IntN(8)
		} else {
			raw = raw[:at]
		}
	}
	copies := 1
	if w.chance(w.odds.double) {
		copies = 2
	}
	for range copies {
		at := w.now.Add(w.between(time.Millisecond, 20*time.Millisecond))
		if w.chance(w.odds.delay) {
			at = at.Add(w.between(0, 500*time.Millisecond)) // others may overtake it
		} else if at.Before(c.last[to]) {
			at = c.last[to]
		}
		c.last[to] = at
		w.after(at.Sub(w.now), func() { c.arrive(to, raw) })
	}
	if w.chance(w.odds.cut) {
		c.close()
	}
}

func (c *connection) arrive(to direction, raw []byte) {
	if !c.open {
		return
	}
	f, err := wire.NewReader(bytes.NewReader(raw), wire.Limits{Message: maxFrame, Bulk: maxFrame}, nil).Read()
	if err != nil {
		c.close()
		return
	}
	c.w.note(uint64(to), uint64(f.Type), uint64(len(f.Body)), uint64(c.w.now.UnixNano()))
	if to == toPrimary {
		c.w.primary.receive(c, f)
	} else {
		c.member.receive(c, f)
	}
}

// close ends the connection; both sides learn it.
func (c *connection) close() {
	if !c.open {
		return
	}
	c.open = false
	delete(c.w.primary.peers, c)
	c.member.hangUp(c)
}
