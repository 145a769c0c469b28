package syncer_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/syncer"
)

// nodes is a tree in a map that counts its traffic.
type nodes struct {
	bodies        map[syncer.Prefix][]byte
	reads, writes int
}

func newNodes() *nodes { return &nodes{bodies: map[syncer.Prefix][]byte{}} }

func (n *nodes) Node(p syncer.Prefix) ([]byte, error) {
	n.reads++
	return n.bodies[p], nil
}

func (n *nodes) SetNode(p syncer.Prefix, body []byte) error {
	n.writes++
	if body == nil {
		delete(n.bodies, p)
		return nil
	}
	n.bodies[p] = body
	return nil
}

func entry(i, version int) syncer.Entry {
	e := syncer.Entry{Path: syncer.PathOf("k", fmt.Sprint(i))}
	if version > 0 {
		binary.BigEndian.PutUint64(e.Hash[:], uint64(version))
	}
	return e
}

func mustUpdate(t *testing.T, tree syncer.TreeStore, changes ...syncer.Entry) syncer.Hash {
	t.Helper()
	root, err := syncer.UpdateTree(tree, changes)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestTreeForgetsItsHistory drives two trees to the same set along different
// ways, through splits and collapses, and expects the same nodes.
func TestTreeForgetsItsHistory(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		walked, want := newNodes(), map[int]int{}
		for range 40 {
			var batch []syncer.Entry
			for range rng.IntN(200) {
				i, version := rng.IntN(1+int(seed)*40), rng.IntN(3)
				batch = append(batch, entry(i, version))
				want[i] = version
			}
			mustUpdate(t, walked, batch...)
		}
		var all []syncer.Entry
		for i, version := range want {
			all = append(all, entry(i, version))
		}
		direct := newNodes()
		root := mustUpdate(t, direct, all...)
		if diff := cmp.Diff(direct.bodies, walked.bodies); diff != "" {
			t.Fatalf("seed %d: nodes differ (-direct +walked):\n%s", seed, diff)
		}
		if got := mustUpdate(t, walked); got != root {
			t.Fatalf("seed %d: root %s, want %s", seed, got, root)
		}
	}
}

func TestTreeOfNothingIsNothing(t *testing.T) {
	t.Parallel()
	tree := newNodes()
	var put, remove []syncer.Entry
	for i := range 1000 {
		put, remove = append(put, entry(i, 1)), append(remove, entry(i, 0))
	}
	if root := mustUpdate(t, tree, put...); root.IsZero() {
		t.Error("a tree of 1000 entries has the empty root")
	}
	if root := mustUpdate(t, tree, remove...); !root.IsZero() || len(tree.bodies) != 0 {
		t.Errorf("emptied tree has root %s and %d nodes", root, len(tree.bodies))
	}
}

// TestOneChangeTouchesFewNodes holds the promise that an update costs O(log n) rows.
func TestOneChangeTouchesFewNodes(t *testing.T) {
	t.Parallel()
	tree := newNodes()
	var all []syncer.Entry
	for i := range 100_000 {
		all = append(all, entry(i, 1))
	}
	mustUpdate(t, tree, all...)
	tree.reads, tree.writes = 0, 0
	mustUpdate(t, tree, entry(7, 2))
	if tree.reads > 5 || tree.writes > 5 {
		t.Errorf("one change read %d and wrote %d nodes", tree.reads, tree.writes)
	}
}

// TestNodeAtSeesBelowLeaves compares what NodeAt says with the set itself.
func TestNodeAtSeesBelowLeaves(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 64, 65, 3000} {
		tree := newNodes()
		var all []syncer.Entry
		for i := range size {
			all = append(all, entry(i, 1))
		}
		mustUpdate(t, tree, all...)
		for _, prefix := range []syncer.Prefix{"", "a", "a3", "a3f", "0000", "00000000"} {
			want := uint64(0)
			for _, e := range all {
				if prefix.Contains(e.Path) {
					want++
				}
			}
			got, err := syncer.NodeAt(tree.Node, prefix)
			if err != nil {
				t.Fatal(err)
			}
			if got.Count() != want || got.Inner() != (want > syncer.LeafMax) {
				t.Errorf("size %d, prefix %q: %d entries (inner %v), want %d", size, prefix, got.Count(), got.Inner(), want)
			}
		}
	}
}

func TestDifferingFindsEveryDifference(t *testing.T) {
	t.Parallel()
	a, b := newNodes(), newNodes()
	var all []syncer.Entry
	for i := range 2000 {
		all = append(all, entry(i, 1))
	}
	mustUpdate(t, a, all...)
	mustUpdate(t, b, all[:40]...) // a leaf against an inner node
	want := map[syncer.Path]bool{}
	for _, e := range all[40:] {
		want[e.Path] = true
	}
	got := map[syncer.Path]bool{}
	var walk func(p syncer.Prefix)
	walk = func(p syncer.Prefix) {
		x, errX := syncer.NodeAt(a.Node, p)
		y, errY := syncer.NodeAt(b.Node, p)
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		if !x.Inner() && !y.Inner() {
			have := map[syncer.Entry]bool{}
			for _, e := range y.Entries {
				have[e] = true
			}
			for _, e := range x.Entries {
				if !have[e] {
					got[e.Path] = true
				}
			}
			return
		}
		for _, d := range syncer.Differing(p, x, y) {
			walk(p.Child(d))
		}
	}
	walk("")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

func TestParseNodeRefusesOtherForms(t *testing.T) {
	t.Parallel()
	leaf := syncer.Node{Entries: []syncer.Entry{entry(1, 1)}}
	swapped := leaf.Body()
	tests := []struct {
		name   string
		prefix syncer.Prefix
		body   []byte
	}{
		{"unknown mark", "", append([]byte{7}, leaf.Body()[1:]...)},
		{"torn entry", "", leaf.Body()[:40]},
		{"bare mark", "", []byte{0}},
		{"entry under another prefix", syncer.Prefix(invert(entry(1, 1).Path.String()[:1])), leaf.Body()},
		{"same entry twice", "", append(swapped, leaf.Body()[1:]...)},
		{"entry without hash", "", syncer.Node{Entries: []syncer.Entry{entry(1, 0)}}.Body()},
		{"inner node that ought to be a leaf", "", syncer.Node{Children: make([]syncer.Child, 16)}.Body()},
		{"count without hash", "", syncer.Node{Children: append([]syncer.Child{{Count: 100}}, make([]syncer.Child, 15)...)}.Body()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := syncer.ParseNode(tt.prefix, tt.body); !errors.Is(err, syncer.ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
		})
	}
}

func invert(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}

// FuzzParseNode expects that whatever parses has one encoding only.
func FuzzParseNode(f *testing.F) {
	f.Add("", syncer.Node{Entries: []syncer.Entry{entry(1, 1)}}.Body())
	big := newNodes()
	var all []syncer.Entry
	for i := range 500 {
		all = append(all, entry(i, 1))
	}
	if _, err := syncer.UpdateTree(big, all); err != nil {
		f.Fatal(err)
	}
	f.Add("", big.bodies[""])
	f.Add("a", big.bodies["a"])
	f.Fuzz(func(t *testing.T, prefix string, body []byte) {
		n, err := syncer.ParseNode(syncer.Prefix(prefix), body)
		if err == nil && string(n.Body()) != string(body) {
			t.Errorf("%x parses, but encodes as %x", body, n.Body())
		}
	})
}

func BenchmarkUpdateTree(b *testing.B) {
	tree := newNodes()
	var all []syncer.Entry
	for i := range 100_000 {
		all = append(all, entry(i, 1))
	}
	if _, err := syncer.UpdateTree(tree, all); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := syncer.UpdateTree(tree, []syncer.Entry{entry(i%100_000, i+2)}); err != nil {
			b.Fatal(err)
		}
	}
}
