// Package memstore holds a feed and a member's copy in memory. It is the
// reference implementation of the syncer stores: the simulation, the benchmarks
// and the tests of the embedding program run on it. Nothing here is durable.
package memstore

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/muster-sec/muster/syncer"
)

// Primary is a [syncer.PrimaryStore] with a writing side. It is safe for
// concurrent use.
type Primary struct {
	priority syncer.Priority

	mu       sync.RWMutex
	epoch    uint64
	revision uint64
	streams  map[syncer.Stream]*stream
}

var _ syncer.PrimaryStore = (*Primary)(nil)

// stream holds the records of one stream. Records is keyed by path; log names
// them in revision order and may hold stale places, recognised by a path that has
// since moved to another revision.
type stream struct {
	head    syncer.Head
	records map[syncer.Path]syncer.Record
	log     []place
	tree    tree
}

type place struct {
	revision uint64
	path     syncer.Path
}

// NewPrimary returns an empty feed in the given epoch.
func NewPrimary(priority syncer.Priority, epoch uint64) *Primary {
	return &Primary{priority: priority, epoch: epoch, streams: map[syncer.Stream]*stream{}}
}

// Write makes each record or tombstone the latest change of its key, in one
// transaction, and returns the last revision given.
func (p *Primary) Write(_ context.Context, records ...syncer.Record) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changes := map[syncer.Stream][]syncer.Entry{}
	for _, r := range records {
		if err := r.Verify(); err != nil {
			return 0, err
		}
		name := p.priority.Stream(r.Scope, r.Kind)
		s := p.stream(name)
		p.revision++
		r.Revision = p.revision
		s.put(r)
		changes[name] = append(changes[name], r.Entry())
	}
	for name, entries := range changes {
		root, err := syncer.UpdateTree(p.streams[name].tree, entries)
		if err != nil {
			return 0, err
		}
		p.streams[name].head.Root = root
	}
	return p.revision, nil
}

func (p *Primary) stream(name syncer.Stream) *stream {
	s, ok := p.streams[name]
	if !ok {
		s = &stream{head: syncer.Head{Stream: name}, records: map[syncer.Path]syncer.Record{}, tree: tree{}}
		p.streams[name] = s
	}
	return s
}

func (s *stream) put(r syncer.Record) {
	s.records[r.Path()] = r
	s.log = append(s.log, place{r.Revision, r.Path()})
	s.head.Revision = r.Revision
	if len(s.log) > 2*len(s.records)+16 {
		s.log = slices.DeleteFunc(s.log, func(at place) bool { return s.records[at.path].Revision != at.revision })
	}
}

// Collect forgets every tombstone with a revision of at most upTo.
func (p *Primary) Collect(_ context.Context, upTo uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.streams {
		for path, r := range s.records {
			if r.Deleted() && r.Revision <= upTo {
				delete(s.records, path)
				s.head.Floor = max(s.head.Floor, r.Revision)
			}
		}
	}
	return nil
}

// Snapshot returns a copy that shares nothing with p: a backup.
func (p *Primary) Snapshot() *Primary {
	p.mu.RLock()
	defer p.mu.RUnlock()
	c := NewPrimary(p.priority, p.epoch)
	c.revision = p.revision
	for name, s := range p.streams {
		c.streams[name] = &stream{
			head: s.head, records: clone(s.records), log: slices.Clone(s.log), tree: clone(s.tree),
		}
	}
	return c
}

// Heads implements [syncer.PrimaryStore].
func (p *Primary) Heads(context.Context) (uint64, []syncer.Head, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	heads := make([]syncer.Head, 0, len(p.streams))
	for _, s := range p.streams {
		heads = append(heads, s.head)
	}
	slices.SortFunc(heads, func(a, b syncer.Head) int { return a.Stream.Compare(b.Stream) })
	return p.epoch, heads, nil
}

// View implements [syncer.PrimaryStore].
func (p *Primary) View(_ context.Context, name syncer.Stream, read func(syncer.View) error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s, ok := p.streams[name]
	if !ok {
		s = &stream{head: syncer.Head{Stream: name}}
	}
	return read(view{epoch: p.epoch, stream: s})
}

// OpenEpoch implements [syncer.PrimaryStore].
func (p *Primary) OpenEpoch(_ context.Context, above uint64) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch = max(p.epoch, above) + 1
	return p.epoch, nil
}

type view struct {
	epoch uint64
	*stream
}

func (v view) Epoch() uint64     { return v.epoch }
func (v view) Head() syncer.Head { return v.head }

func (v view) After(revision uint64, limit syncer.Limit) (records []syncer.Record, more bool, err error) {
	start := sort.Search(len(v.log), func(i int) bool { return v.log[i].revision > revision })
	bytes := 0
	for _, at := range v.log[start:] {
		r, ok := v.records[at.path]
		if !ok || r.Revision != at.revision {
			continue
		}
		if limit.Full(len(records), bytes, r.Size()) {
			return records, true, nil
		}
		records, bytes = append(records, r), bytes+r.Size()
	}
	return records, false, nil
}

func (v view) Node(prefix syncer.Prefix) ([]byte, error) { return v.tree.Node(prefix) }

func (v view) Record(path syncer.Path) (syncer.Record, bool, error) {
	r, ok := v.records[path]
	return r, ok && !r.Deleted(), nil
}
