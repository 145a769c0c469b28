package memstore

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/muster-sec/muster/syncer"
)

// Member is a [syncer.MemberStore]. Its methods may be called concurrently; the
// copies that it hands out share payloads with it.
type Member struct {
	mu        sync.Mutex
	copies    map[syncer.Stream]*replica
	rotations []syncer.Rotation
	orphans   []syncer.Record
}

var _ syncer.MemberStore = (*Member)(nil)

type replica struct {
	mark    *syncer.Mark
	records map[syncer.Path]syncer.Record
	tree    tree
}

// NewMember returns an empty copy.
func NewMember() *Member { return &Member{copies: map[syncer.Stream]*replica{}} }

// State implements [syncer.MemberStore].
func (m *Member) State(context.Context) (syncer.MemberState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := syncer.MemberState{Rotations: slices.Clone(m.rotations)}
	for name, r := range m.copies {
		mark := syncer.Mark{Stream: name}
		if r.mark != nil {
			mark = *r.mark
		}
		state.Marks = append(state.Marks, mark)
	}
	slices.SortFunc(state.Marks, func(a, b syncer.Mark) int { return a.Stream.Compare(b.Stream) })
	return state, nil
}

// Apply implements [syncer.MemberStore].
func (m *Member) Apply(_ context.Context, c syncer.Change) (syncer.Hash, error) {
	for _, r := range c.Put {
		if err := r.Verify(); err != nil {
			return syncer.Hash{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rotations = append(m.rotations, c.Rotations...)
	m.orphans = slices.DeleteFunc(m.orphans, func(r syncer.Record) bool { return slices.Contains(c.Settled, r.Orphan()) })
	if c.Drop {
		delete(m.copies, c.Stream)
	}
	if c.Replace == nil && len(c.Put) == 0 && c.Mark == nil {
		return m.root(c.Stream)
	}
	return m.change(m.replica(c.Stream), c)
}

func (m *Member) root(name syncer.Stream) (syncer.Hash, error) {
	r, ok := m.copies[name]
	if !ok {
		return syncer.Hash{}, nil
	}
	return syncer.Root(r.tree.Node)
}

func (m *Member) replica(name syncer.Stream) *replica {
	r, ok := m.copies[name]
	if !ok {
		r = &replica{records: map[syncer.Path]syncer.Record{}, tree: tree{}}
		m.copies[name] = r
	}
	return r
}

func (m *Member) change(r *replica, c syncer.Change) (syncer.Hash, error) {
	var entries []syncer.Entry
	if c.Replace != nil {
		keep := map[syncer.Path]bool{}
		for _, path := range c.Replace.Keep {
			keep[path] = true
		}
		for path := range r.records {
			if c.Replace.Prefix.Contains(path) && !keep[path] {
				entries = append(entries, syncer.Entry{Path: path})
			}
		}
		slices.SortFunc(entries, func(a, b syncer.Entry) int { return bytes.Compare(a.Path[:], b.Path[:]) })
		for _, e := range entries {
			m.lose(r.records[e.Path], c.KeepOrphans)
			delete(r.records, e.Path)
		}
	}
	for _, record := range c.Put {
		path := record.Path()
		if old, ok := r.records[path]; ok && old.Hash != record.Hash {
			m.lose(old, c.KeepOrphans)
		}
		r.records[path] = record
		if record.Deleted() {
			delete(r.records, path)
		}
		entries = append(entries, record.Entry())
	}
	if c.Mark != nil {
		mark := *c.Mark
		r.mark = &mark
	}
	return syncer.UpdateTree(r.tree, entries)
}

func (m *Member) lose(r syncer.Record, keep bool) {
	same := func(o syncer.Record) bool { return o.Orphan() == r.Orphan() }
	if keep && !slices.ContainsFunc(m.orphans, same) {
		m.orphans = append(m.orphans, r)
	}
}

// Node implements [syncer.MemberStore].
func (m *Member) Node(_ context.Context, name syncer.Stream, prefix syncer.Prefix) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.copies[name]; ok {
		return r.tree.Node(prefix)
	}
	return nil, nil
}

// Orphans implements [syncer.MemberStore].
func (m *Member) Orphans(_ context.Context, limit syncer.Limit) ([]syncer.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := 0
	for i, r := range m.orphans {
		if limit.Full(i, size, r.Size()) {
			return slices.Clone(m.orphans[:i]), nil
		}
		size += r.Size()
	}
	return slices.Clone(m.orphans), nil
}

// Record returns the live record of a stream; ok is false when there is none.
func (m *Member) Record(name syncer.Stream, kind, key string) (record syncer.Record, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, held := m.copies[name]; held {
		record, ok = r.records[syncer.PathOf(kind, key)]
	}
	return record, ok
}

// Root returns the root of the tree of a stream.
func (m *Member) Root(name syncer.Stream) (syncer.Hash, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.root(name)
}
