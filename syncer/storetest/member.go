package storetest

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/syncer"
)

// Copy is a member's store with the reading side that its owner has anyway.
type Copy interface {
	syncer.MemberStore
	// Record returns a live record; ok is false when there is none.
	Record(stream syncer.Stream, kind, key string) (record syncer.Record, ok bool)
}

// Member runs the suite for member stores; open returns an empty one, and reopen
// returns the same store as a new process would find it after a crash (a store
// that lives in memory returns the one it was given).
func Member(t *testing.T, open func(t *testing.T) Copy, reopen func(*testing.T, Copy) Copy) {
	t.Helper()
	tests := []struct {
		name string
		run  func(*testing.T, *member)
	}{
		{"an empty store knows nothing", memberEmpty},
		{"a change is applied whole and survives", memberApply},
		{"a change with a forged record leaves no trace", memberAtomic},
		{"tombstones remove", memberTombstone},
		{"a range replaces what lies under its prefix", memberReplace},
		{"a dropped stream leaves nothing", memberDrop},
		{"orphans are kept until settled", memberOrphans},
		{"rotations are kept in order", memberRotations},
		{"the tree is that of the records", memberTree},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, &member{Copy: open(t), reopen: reopen}) })
	}
}

type member struct {
	Copy
	reopen func(*testing.T, Copy) Copy
}

// restart makes the member forget everything that was not durable.
func (m *member) restart(t *testing.T) { m.Copy = m.reopen(t, m.Copy) }

func (m *member) apply(t *testing.T, c syncer.Change) syncer.Hash {
	t.Helper()
	root, err := m.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return root
}

func (m *member) state(t *testing.T) syncer.MemberState {
	t.Helper()
	state, err := m.State(t.Context())
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	return state
}

// holds compares the texts of rules 1 to len(want); empty means not there.
func (m *member) holds(t *testing.T, want ...string) {
	t.Helper()
	for i, text := range want {
		got, ok := m.Record(rules(), "rule", rule(i+1, "").Key)
		if ok != (text != "") || string(got.Payload) != text {
			t.Errorf("rule %d: found %v, %q; want %q", i+1, ok, got.Payload, text)
		}
	}
}

func mark(revision uint64) *syncer.Mark {
	return &syncer.Mark{
		Stream: rules(), Position: syncer.Position{Epoch: 3, Revision: revision}, Floor: 1, Seen: revision + 1, Seal: []byte("seal"),
	}
}

func memberEmpty(t *testing.T, m *member) {
	if diff := cmp.Diff(syncer.MemberState{}, m.state(t)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if body, err := m.Node(t.Context(), rules(), ""); body != nil || err != nil {
		t.Errorf("root node %x, %v", body, err)
	}
	if orphans, err := m.Orphans(t.Context(), wide()); len(orphans) != 0 || err != nil {
		t.Errorf("orphans %v, %v", orphans, err)
	}
	if root := m.apply(t, syncer.Change{Stream: rules()}); !root.IsZero() {
		t.Errorf("an empty change gives root %s", root)
	}
}

func memberApply(t *testing.T, m *member) {
	m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{rule(1, "a"), rule(2, "b")}, Mark: mark(2)})
	m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{rule(1, "c")}, Mark: mark(5)})
	m.restart(t)
	m.holds(t, "c", "b")
	want := syncer.MemberState{Marks: []syncer.Mark{*mark(5)}}
	if diff := cmp.Diff(want, m.state(t)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func memberAtomic(t *testing.T, m *member) {
	m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{rule(1, "a")}, Mark: mark(1)})
	forged := rule(3, "c")
	forged.Payload = []byte("other")
	_, err := m.Apply(t.Context(), syncer.Change{
		Stream: rules(), Replace: &syncer.Range{}, Put: []syncer.Record{rule(2, "b"), forged}, Mark: mark(9),
	})
	if !errors.Is(err, syncer.ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
	m.restart(t)
	m.holds(t, "a", "", "")
	if diff := cmp.Diff([]syncer.Mark{*mark(1)}, m.state(t).Marks); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

func memberTombstone(t *testing.T, m *member) {
	m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{rule(1, "a"), rule(2, "b")}})
	root := m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{
		syncer.Tombstone("all", "rule", rule(1, "").Key), syncer.Tombstone("all", "rule", "never seen"),
		rule(2, "x"), syncer.Tombstone("all", "rule", rule(2, "").Key), rule(3, "c"),
	}})
	m.holds(t, "", "", "c")
	want := newTree()
	want.set(t, rule(3, "c").Entry())
	if root != want.root {
		t.Errorf("root %s, want %s", root, want.root)
	}
}

func memberReplace(t *testing.T, m *member) {
	put := syncer.Change{Stream: rules()}
	want := newTree()
	prefix := syncer.Prefix(rule(1, "").Path().String()[:1])
	for i := 1; i <= 300; i++ {
		put.Put = append(put.Put, rule(i, "a"))
		if !prefix.Contains(rule(i, "").Path()) {
			want.set(t, rule(i, "a").Entry())
		}
	}
	m.apply(t, put)
	want.set(t, rule(1, "a").Entry())
	root := m.apply(t, syncer.Change{
		Stream: rules(), Replace: &syncer.Range{Prefix: prefix, Keep: []syncer.Path{rule(1, "").Path()}},
	})
	if root != want.root {
		t.Errorf("root %s, want %s", root, want.root)
	}
	if orphans, err := m.Orphans(t.Context(), wide()); len(orphans) != 0 || err != nil {
		t.Errorf("orphans kept without being asked to: %d, %v", len(orphans), err)
	}
}

func memberDrop(t *testing.T, m *member) {
	other := syncer.Stream{Scope: "lab"}
	m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{rule(1, "a")}, Mark: mark(1)})
	m.apply(t, syncer.Change{
		Stream: other, Put: []syncer.Record{syncer.NewRecord("lab", "rule", "r", nil)}, Mark: &syncer.Mark{Stream: other},
	})
	if root := m.apply(t, syncer.Change{Stream: rules(), Drop: true}); !root.IsZero() {
		t.Errorf("dropped stream has root %s", root)
	}
	m.restart(t)
	m.holds(t, "")
	if marks := m.state(t).Marks; len(marks) != 1 || marks[0].Stream != other {
		t.Errorf("marks left: %+v", marks)
	}
	if _, ok := m.Record(other, "rule", "r"); !ok {
		t.Error("the other stream lost its record")
	}
}

func memberOrphans(t *testing.T, m *member) {
	m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{rule(1, "a"), rule(2, "b"), rule(3, "c")}})
	repair := syncer.Change{
		Stream: rules(), KeepOrphans: true,
		Replace: &syncer.Range{Keep: []syncer.Path{rule(2, "").Path(), rule(3, "").Path()}},
		Put:     []syncer.Record{rule(2, "new"), rule(3, "c")},
	}
	m.apply(t, repair)
	m.apply(t, repair) // a repeat after a crash keeps nothing twice
	m.restart(t)
	m.holds(t, "", "new", "c")
	orphans, err := m.Orphans(t.Context(), wide())
	if err != nil || len(orphans) != 2 {
		t.Fatalf("%d orphans, error %v; want rules 1 and 2", len(orphans), err)
	}
	texts := map[string]string{}
	for _, o := range orphans {
		texts[o.Key] = string(o.Payload)
	}
	if diff := cmp.Diff(map[string]string{rule(1, "").Key: "a", rule(2, "").Key: "b"}, texts); diff != "" {
		t.Errorf("orphans (-want +got):\n%s", diff)
	}
	first, err := m.Orphans(t.Context(), syncer.Limit{Records: 1, Bytes: 1})
	if err != nil || len(first) != 1 {
		t.Fatalf("%d orphans at a limit of one, error %v", len(first), err)
	}
	m.apply(t, syncer.Change{Settled: []syncer.Orphan{first[0].Orphan()}})
	m.restart(t)
	left, err := m.Orphans(t.Context(), wide())
	if err != nil || len(left) != 1 || left[0].Key == first[0].Key {
		t.Errorf("after settling %q: %+v, %v", first[0].Key, left, err)
	}
}

func memberRotations(t *testing.T, m *member) {
	var want []syncer.Rotation
	for i := byte(1); i < 4; i++ {
		r := syncer.Rotation{
			New: ed25519.PublicKey(bytes.Repeat([]byte{i}, 32)), Signer: "signer", Signature: []byte{i},
		}
		want = append(want, r)
		m.apply(t, syncer.Change{Rotations: []syncer.Rotation{r}})
	}
	m.restart(t)
	if diff := cmp.Diff(syncer.MemberState{Rotations: want}, m.state(t)); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func memberTree(t *testing.T, m *member) {
	want := newTree()
	for i := range 200 {
		root := m.apply(t, syncer.Change{Stream: rules(), Put: []syncer.Record{rule(i, "a"), rule(i/2, "b")}})
		want.set(t, rule(i, "a").Entry(), rule(i/2, "b").Entry())
		if root != want.root {
			t.Fatalf("step %d: root %s, want %s", i, root, want.root)
		}
	}
	for prefix, body := range want.bodies {
		got, err := m.Node(t.Context(), rules(), prefix)
		if diff := cmp.Diff(body, got); diff != "" || err != nil {
			t.Errorf("node %q, error %v (-want +got):\n%s", prefix, err, diff)
		}
	}
}
