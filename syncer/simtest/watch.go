package simtest

import (
	"context"
	"encoding/binary"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/storetest"
)

// history is all that the primary ever wrote, and what came back.
type history struct {
	written map[syncer.Orphan]bool
	// owed are records that a restore has forgotten while a member had them.
	owed    map[syncer.Orphan]bool
	offered map[syncer.Orphan]bool
	// broken says that an epoch goes on although its history was replaced.
	broken bool
}

// forgive gives up what nobody proved in time: all were away, or lost nothing.
func (h *history) forgive() {
	h.broken = true
	clear(h.owed)
}

func newHistory() *history {
	return &history{
		written: map[syncer.Orphan]bool{}, owed: map[syncer.Orphan]bool{}, offered: map[syncer.Orphan]bool{},
	}
}

// wrote notes what the primary says now; what it said of the same keys in a lost
// history is overtaken by that.
func (h *history) wrote(records []syncer.Record) {
	now := map[syncer.Orphan]bool{}
	for _, r := range records {
		h.written[r.Orphan()] = true
		now[syncer.Orphan{Scope: r.Scope, Path: r.Path()}] = true
	}
	for o := range h.owed {
		if now[syncer.Orphan{Scope: o.Scope, Path: o.Path}] {
			delete(h.owed, o)
		}
	}
}

func (h *history) offer(r syncer.Record) { h.offered[r.Orphan()] = true }

// restored notes what members hold of the feed before and the feed now has not.
func (h *history) restored(w *world, before, now storetest.Feed) {
	for _, m := range w.members {
		for stream, held := range m.store.held {
			for path, r := range held {
				if inFeed(w, before, stream, path, r.record.Hash) && !inFeed(w, now, stream, path, r.record.Hash) {
					h.owed[r.record.Orphan()] = true
				}
			}
		}
	}
}

func inFeed(w *world, feed storetest.Feed, stream syncer.Stream, path syncer.Path, hash syncer.Hash) bool {
	found := false
	err := feed.View(w.ctx, stream, func(v syncer.View) error {
		r, ok, err := v.Record(path)
		found = ok && r.Hash == hash
		return err
	})
	if err != nil {
		w.violate("view: %v", err)
	}
	return found
}

// watched is a member's store under observation: it knows by itself what the
// store must hold.
type watched struct {
	syncer.MemberStore
	w     *world
	id    int
	held  map[syncer.Stream]map[syncer.Path]heldRecord
	marks map[syncer.Stream]syncer.Position
}

// heldRecord is a record with the epoch in which it was received.
type heldRecord struct {
	record syncer.Record
	epoch  uint64
}

func newWatched(w *world, id int, store syncer.MemberStore) *watched {
	return &watched{
		MemberStore: store, w: w, id: id,
		held: map[syncer.Stream]map[syncer.Path]heldRecord{}, marks: map[syncer.Stream]syncer.Position{},
	}
}

// Apply checks a change against the promises, then hands it to the store.
func (s *watched) Apply(ctx context.Context, c syncer.Change) (syncer.Hash, error) {
	s.check(c)
	root, err := s.MemberStore.Apply(ctx, c)
	if err != nil {
		s.w.violate("member %d: apply: %v", s.id, err)
		return root, err
	}
	s.w.report.Applied++
	s.w.note(binary.BigEndian.Uint64(root[:]))
	s.follow(c)
	return root, nil
}

func (s *watched) check(c syncer.Change) {
	epoch := s.marks[c.Stream].Epoch
	if c.Mark != nil {
		before := s.marks[c.Stream]
		if !c.Drop && c.Mark.Position.Compare(before) < 0 {
			s.w.violate("member %d: position of %s goes back from %s to %s", s.id, c.Stream, before, c.Mark.Position)
		}
		epoch = c.Mark.Position.Epoch
	}
	for _, r := range c.Put {
		if !s.w.history.written[r.Orphan()] {
			s.w.violate("member %d: %s %s was never written", s.id, r.Kind, r.Key)
		}
		old, ok := s.held[c.Stream][r.Path()]
		if ok && c.Replace == nil && !s.w.history.broken && old.epoch == epoch && old.record.Revision > r.Revision {
			s.w.violate("member %d: %s %s goes back from revision %d to %d", s.id, r.Kind, r.Key, old.record.Revision, r.Revision)
		}
	}
}

func (s *watched) follow(c syncer.Change) {
	if c.Drop {
		for _, r := range s.held[c.Stream] {
			delete(s.w.history.owed, r.record.Orphan()) // the member was told to forget it
		}
		delete(s.held, c.Stream)
		delete(s.marks, c.Stream)
	}
	if c.Mark != nil {
		s.marks[c.Stream] = c.Mark.Position
	}
	held := s.held[c.Stream]
	if held == nil {
		held = map[syncer.Path]heldRecord{}
		s.held[c.Stream] = held
	}
	if c.Replace != nil {
		keep := map[syncer.Path]bool{}
		for _, path := range c.Replace.Keep {
			keep[path] = true
		}
		for path := range held {
			if c.Replace.Prefix.Contains(path) && !keep[path] {
				delete(held, path)
			}
		}
	}
	for _, r := range c.Put {
		held[r.Path()] = heldRecord{record: r, epoch: s.marks[c.Stream].Epoch}
		if r.Deleted() {
			delete(held, r.Path())
		}
	}
}

// checkEnd is called after the quiet time.
func (w *world) checkEnd() {
	_, heads, err := w.primary.feed.Heads(w.ctx)
	if err != nil {
		w.violate("heads: %v", err)
		return
	}
	for _, m := range w.members {
		for _, h := range heads {
			want := h.Root
			if !m.entitled.Allows(h.Stream.Scope) {
				want = syncer.Hash{}
			}
			got, err := m.store.Apply(w.ctx, syncer.Change{Stream: h.Stream})
			if err != nil || got != want {
				w.violate("member %d holds %s in %s, the primary %s (position %s, head %d, error %v)",
					m.id, got, h.Stream, want, m.store.marks[h.Stream], h.Revision, err)
			}
		}
		if m.conn == nil || !m.machine.Status().Synced() {
			w.violate("member %d does not know that it is equal", m.id)
		}
	}
	for owed := range w.history.owed {
		if !w.history.offered[owed] && !w.stillHeld(owed) {
			w.violate("a record that a restore forgot has vanished unoffered: %s", owed.Path)
		}
	}
}

// stillHeld reports whether the feed holds the content again, or a member still
// has it set aside.
func (w *world) stillHeld(o syncer.Orphan) bool {
	for _, class := range Priority() {
		if inFeed(w, w.primary.feed, syncer.Stream{Scope: o.Scope, Class: class}, o.Path, o.Hash) {
			return true
		}
	}
	return false
}
