package syncer

import (
	"bytes"
	"fmt"
)

// TreeStore reads and writes the nodes of one tree, usually inside a transaction
// of the embedding program.
type TreeStore interface {
	// Node returns the body at prefix, nil when there is none.
	Node(prefix Prefix) ([]byte, error)
	// SetNode stores the body at prefix; a nil body removes the node.
	SetNode(prefix Prefix, body []byte) error
}

// UpdateTree applies changes to a tree and returns its new root. An entry with a
// zero hash removes its path; of several entries for one path the last counts.
// Each node on the way is read and written once however many changes lie under
// it, so a batch costs O(changes + changed nodes) and one change O(log records).
func UpdateTree(tree TreeStore, changes []Entry) (Hash, error) {
	if len(changes) == 0 {
		return Root(tree.Node)
	}
	last := make(map[Path]Hash, len(changes))
	for _, c := range changes {
		last[c.Path] = c.Hash
	}
	unique := make([]Entry, 0, len(last))
	for path, hash := range last {
		unique = append(unique, Entry{Path: path, Hash: hash})
	}
	sortEntries(unique)
	root, err := updater{tree}.update("", unique)
	return root.Hash, err
}

// NodeFunc returns the body of the node at prefix, nil when there is none.
type NodeFunc func(prefix Prefix) ([]byte, error)

// Root returns the hash of a whole tree, zero when it is empty.
func Root(node NodeFunc) (Hash, error) {
	body, err := node("")
	if err != nil {
		return Hash{}, err
	}
	n, err := ParseNode("", body)
	return n.Hash(), err
}

// NodeAt returns what a tree holds under prefix as a node, also where the tree
// itself has no node: below a leaf it is the leaf's entries under prefix.
func NodeAt(node NodeFunc, prefix Prefix) (Node, error) {
	for at := prefix; ; at = at[:len(at)-1] {
		body, err := node(at)
		if err != nil {
			return Node{}, err
		}
		n, err := ParseNode(at, body)
		switch {
		case err != nil:
			return Node{}, err
		case at == prefix && len(body) != 0:
			return n, nil
		case n.Inner():
			return Node{}, nil
		case len(body) != 0:
			return n.under(prefix), nil
		case at == "":
			return Node{}, nil
		}
	}
}

func (n Node) under(prefix Prefix) Node {
	var part Node
	for _, e := range n.Entries {
		if prefix.Contains(e.Path) {
			part.Entries = append(part.Entries, e)
		}
	}
	return part
}

// Differing returns the digits of the children in which two nodes at p differ.
// Leaves are split for the comparison; at least one of the nodes is an inner one.
func Differing(p Prefix, a, b Node) []int {
	var digits []int
	for d := range fanout {
		if a.child(p, d) != b.child(p, d) {
			digits = append(digits, d)
		}
	}
	return digits
}

func (n Node) child(p Prefix, digit int) Child {
	if n.Inner() {
		return n.Children[digit]
	}
	part := n.part(p, digit)
	return Child{Count: part.Count(), Hash: part.Hash()}
}

type updater struct{ tree TreeStore }

func (u updater) load(p Prefix) (Node, error) {
	body, err := u.tree.Node(p)
	if err != nil {
		return Node{}, fmt.Errorf("syncer: read tree node %q: %w", p, err)
	}
	return ParseNode(p, body)
}

func (u updater) save(p Prefix, n Node) (Child, error) {
	if err := u.tree.SetNode(p, n.Body()); err != nil {
		return Child{}, fmt.Errorf("syncer: write tree node %q: %w", p, err)
	}
	return Child{Count: n.Count(), Hash: n.Hash()}, nil
}

// update applies sorted changes, all under p.
func (u updater) update(p Prefix, changes []Entry) (Child, error) {
	n, err := u.load(p)
	if err != nil {
		return Child{}, err
	}
	if !n.Inner() {
		return u.build(p, merge(n.Entries, changes))
	}
	for len(changes) > 0 {
		digit := digitAt(changes[0].Path, len(p))
		end := groupEnd(changes, len(p))
		if n.Children[digit], err = u.update(p.Child(digit), changes[:end]); err != nil {
			return Child{}, err
		}
		changes = changes[end:]
	}
	if n.Count() > LeafMax {
		return u.save(p, n)
	}
	return u.collapse(p, n)
}

// collapse turns an inner node that has become small into a leaf. Its children
// are leaves already: each holds no more than the node.
func (u updater) collapse(p Prefix, n Node) (Child, error) {
	var leaf Node
	for digit, c := range n.Children {
		if c.Count == 0 {
			continue
		}
		child, err := u.load(p.Child(digit))
		if err != nil {
			return Child{}, err
		}
		leaf.Entries = append(leaf.Entries, child.Entries...)
		if err := u.tree.SetNode(p.Child(digit), nil); err != nil {
			return Child{}, fmt.Errorf("syncer: remove tree node %q: %w", p.Child(digit), err)
		}
	}
	return u.save(p, leaf)
}

// build writes the nodes for sorted entries under p, where no inner node is.
func (u updater) build(p Prefix, entries []Entry) (Child, error) {
	if len(entries) <= LeafMax {
		return u.save(p, Node{Entries: entries})
	}
	n := Node{Children: make([]Child, fanout)}
	for len(entries) > 0 {
		digit := digitAt(entries[0].Path, len(p))
		end := groupEnd(entries, len(p))
		child, err := u.build(p.Child(digit), entries[:end])
		if err != nil {
			return Child{}, err
		}
		n.Children[digit] = child
		entries = entries[end:]
	}
	return u.save(p, n)
}

// groupEnd returns the end of the run of entries that share digit i with the first.
func groupEnd(entries []Entry, i int) int {
	digit := digitAt(entries[0].Path, i)
	for end, e := range entries {
		if digitAt(e.Path, i) != digit {
			return end
		}
	}
	return len(entries)
}

// merge applies sorted changes to sorted entries.
func merge(entries, changes []Entry) []Entry {
	out := make([]Entry, 0, len(entries)+len(changes))
	for len(entries) > 0 || len(changes) > 0 {
		order := 1
		switch {
		case len(changes) == 0:
			order = -1
		case len(entries) > 0:
			order = bytes.Compare(entries[0].Path[:], changes[0].Path[:])
		}
		if order < 0 {
			out, entries = append(out, entries[0]), entries[1:]
			continue
		}
		if order == 0 {
			entries = entries[1:]
		}
		if !changes[0].Hash.IsZero() {
			out = append(out, changes[0])
		}
		changes = changes[1:]
	}
	return out
}
