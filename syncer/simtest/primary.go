package simtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/primary"
	"github.com/muster-sec/muster/syncer/storetest"
	"github.com/muster-sec/muster/syncer/wire"
)

// errKilled ends whatever a killed process was about to do.
var errKilled = errors.New("killed")

// primaryNode is the primary's process and its disk.
type primaryNode struct {
	w      *world
	feed   storetest.Feed
	backup storetest.Feed
	up     bool
	// unproved is until when a silent restore waits for its proof, or zero.
	unproved time.Time

	sealer *primary.Sealer
	cache  *primary.Cache
	peers  map[*connection]*primary.Peer
}

func newPrimaryNode(w *world, feed storetest.Feed) *primaryNode {
	p := &primaryNode{w: w, feed: feed}
	p.boot()
	return p
}

func (p *primaryNode) boot() {
	p.up = true
	p.sealer = primary.NewSealer(p.feed, wire.NewSigner(federation, p.w.key), p.w.codec, batchLimit())
	p.cache = primary.NewCache(p.sealer, 16<<10)
	p.peers = map[*connection]*primary.Peer{}
	p.refresh()
}

// kill ends the process; it comes up again after a while.
func (p *primaryNode) kill() {
	p.up = false
	p.hangUpAll()
	p.w.after(p.w.between(10*time.Millisecond, 3*time.Second), func() {
		if !p.up {
			p.boot()
		}
	})
}

func (p *primaryNode) hangUpAll() {
	for _, m := range p.w.members {
		if m.conn != nil {
			m.conn.close()
		}
	}
}

func (p *primaryNode) calm() {
	if !p.up {
		p.boot()
	}
}

// mayDie is called between any two operations.
func (p *primaryNode) mayDie() error {
	if p.w.chance(p.w.odds.kill) {
		p.kill()
		return errKilled
	}
	return nil
}

// work changes the feed now and then, while there is chaos.
func (p *primaryNode) work() {
	if p.w.odds == (faults{}) || !p.up {
		return
	}
	if !p.unproved.IsZero() {
		if p.w.now.Before(p.unproved) {
			return
		}
		p.unproved = time.Time{}
		p.w.history.forgive()
	}
	switch n := p.w.rng.IntN(100); {
	case n < 40:
		p.write()
	case n < 43:
		p.collect()
	case n < 45:
		p.keepBackup()
	case n < 46:
		p.restore()
	case n < 48:
		p.entitle()
	case n < 50:
		m := p.w.members[p.w.rng.IntN(len(p.w.members))]
		m.parted = !m.parted
	}
}

func (p *primaryNode) write() {
	rng := p.w.rng
	var records []syncer.Record
	for range 1 + rng.IntN(12) {
		kind := []string{"rule", "list", "detail"}[rng.IntN(3)]
		scope := []string{"all", "all", "lab"}[rng.IntN(3)]
		key := fmt.Sprint(rng.IntN(250))
		if rng.IntN(4) == 0 {
			records = append(records, syncer.Tombstone(scope, kind, key))
			continue
		}
		payload := make([]byte, rng.IntN(300))
		for i := range payload {
			payload[i] = byte(rng.UintN(256))
		}
		records = append(records, syncer.NewRecord(scope, kind, key, payload))
	}
	if p.mayDie() != nil {
		return
	}
	if _, err := p.feed.Write(p.w.ctx, records...); err != nil {
		p.w.violate("write: %v", err)
		return
	}
	p.w.history.wrote(records)
	if p.mayDie() != nil {
		return
	}
	p.refresh()
}

func (p *primaryNode) collect() {
	_, heads, err := p.feed.Heads(p.w.ctx)
	if err != nil {
		p.w.violate("heads: %v", err)
		return
	}
	last := uint64(0)
	for _, h := range heads {
		last = max(last, h.Revision)
	}
	if err := p.feed.Collect(p.w.ctx, p.w.rng.Uint64N(last+1)); err != nil {
		p.w.violate("collect: %v", err)
	}
	p.refresh()
}

func (p *primaryNode) keepBackup() {
	if p.w.stores.Backup == nil {
		return
	}
	backup, err := p.w.stores.Backup(p.feed)
	if err != nil {
		p.w.violate("backup: %v", err)
	}
	p.backup = backup
}

// restore replaces the disk by an older one. In half of the cases nobody is told,
// and a member has to prove it. Then the primary rests until one has: what a
// history that goes on in the same epoch overwrites before that is beyond proof.
func (p *primaryNode) restore() {
	if p.backup == nil {
		return
	}
	feed, err := p.w.stores.Backup(p.backup)
	if err != nil {
		p.w.violate("restore: %v", err)
		return
	}
	p.w.report.Faults++
	p.hangUpAll()
	p.w.history.restored(p.w, p.feed, feed)
	p.feed = feed
	if p.w.rng.IntN(2) == 0 {
		// By the book an epoch is opened that no member has seen.
		if _, err := p.feed.OpenEpoch(p.w.ctx, p.epochs()); err != nil {
			p.w.violate("open epoch: %v", err)
		}
	} else {
		p.unproved = p.w.now.Add(10 * time.Second)
	}
	p.boot()
}

// epochs returns the greatest epoch that any member has seen.
func (p *primaryNode) epochs() (greatest uint64) {
	for _, m := range p.w.members {
		for _, mark := range m.store.marks {
			greatest = max(greatest, mark.Epoch)
		}
	}
	return greatest
}

func (p *primaryNode) entitle() {
	m := p.w.members[p.w.rng.IntN(len(p.w.members))]
	m.entitled = []syncer.Entitlement{{All: true}, {Scopes: []string{"all"}}, {Scopes: []string{"all", "lab"}}}[p.w.rng.IntN(3)]
	p.refresh()
}

// refresh tells all peers the state of the feed.
func (p *primaryNode) refresh() {
	epoch, heads, err := p.feed.Heads(p.w.ctx)
	if err != nil {
		p.w.violate("heads: %v", err)
		return
	}
	p.cache.Heads(epoch, heads)
	for _, m := range p.w.members {
		if peer, ok := p.peers[m.conn]; ok && p.up {
			p.perform(m.conn, peer, peer.Heads(p.w.now, epoch, heads, m.entitled), nil)
		}
	}
}

// accept begins a session.
func (p *primaryNode) accept(c *connection) {
	ring, err := syncer.NewRing(federation, publicKey(p.w))
	if err != nil {
		p.w.violate("ring: %v", err)
		return
	}
	peer := primary.NewPeer(primary.Config{
		Federation: federation, Keys: ring, Window: window, Interval: interval, Product: "sim",
	}, p.w.now)
	p.peers[c] = peer
	p.refresh()
}

func (p *primaryNode) receive(c *connection, f wire.Frame) {
	if peer, ok := p.peers[c]; ok {
		effects, err := peer.Frame(p.w.now, f)
		p.perform(c, peer, effects, err)
	}
}

func (p *primaryNode) tick() {
	for _, m := range p.w.members {
		if peer, ok := p.peers[m.conn]; ok {
			effects, err := peer.Tick(p.w.now)
			p.perform(m.conn, peer, effects, err)
		}
	}
}

func (p *primaryNode) perform(c *connection, peer *primary.Peer, effects []primary.Effect, err error) {
	for len(effects) > 0 && err == nil && c.open {
		var more []primary.Effect
		more, err = p.one(c, peer, effects[0])
		effects = append(effects[1:], more...)
		if inFlight := peer.Status().InFlight; inFlight > window+maxFrame/64 {
			p.w.violate("%d bytes are in flight to one member", inFlight)
		}
	}
	if err != nil {
		c.close()
	}
}

func (p *primaryNode) one(c *connection, peer *primary.Peer, e primary.Effect) ([]primary.Effect, error) {
	if err := p.mayDie(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case primary.Send:
		c.send(toMember, e.Frame)
	case primary.Beat:
		epoch, heads, err := p.feed.Heads(p.w.ctx)
		if err != nil {
			return nil, err
		}
		c.send(toMember, p.sealer.Heartbeat(wire.Heartbeat{
			Epoch: epoch, Time: p.w.now, Interval: interval, Entitled: e.Entitled, Heads: heads,
		}))
	case primary.Fetch:
		batch, err := p.cache.Batch(p.w.ctx, e)
		if err != nil {
			return nil, err
		}
		return peer.Fetched(p.w.now, e, batch), nil
	case primary.Answer:
		frame, err := p.sealer.Difference(p.w.ctx, e.Question)
		if err != nil {
			return nil, err
		}
		c.send(toMember, frame)
	case primary.OpenEpoch:
		return nil, p.openEpoch(e)
	case primary.Orphans:
		return nil, p.takeOrphans(c, e.Records)
	}
	return nil, nil
}

func (p *primaryNode) openEpoch(e primary.OpenEpoch) error {
	epoch, heads, err := p.feed.Heads(p.w.ctx)
	if err != nil || !e.Lost(epoch, heads) {
		return err
	}
	p.w.report.Epochs++
	p.unproved = time.Time{}
	if _, err := p.feed.OpenEpoch(p.w.ctx, e.Shown.Position.Epoch); err != nil {
		return err
	}
	if err := p.mayDie(); err != nil {
		return err
	}
	p.refresh()
	return nil
}

func (p *primaryNode) takeOrphans(c *connection, records []syncer.Record) error {
	var settled []syncer.Orphan
	for _, r := range records {
		p.w.report.Orphans++
		p.w.history.offer(r)
		settled = append(settled, r.Orphan())
	}
	if err := p.mayDie(); err != nil {
		return err
	}
	slices.SortFunc(settled, func(a, b syncer.Orphan) int { return slices.Compare(a.Path[:], b.Path[:]) })
	c.send(toMember, wire.EncodeSettled(settled))
	return nil
}
