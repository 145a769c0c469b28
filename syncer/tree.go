package syncer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"
)

const (
	// LeafMax is the number of entries above which a node of the tree has children.
	LeafMax = 64

	fanout    = 16
	entrySize = 2 * sha256.Size
	childSize = 8 + sha256.Size
	digits    = "0123456789abcdef"

	leafMark  = 0
	innerMark = 1
)

// Prefix is the place of a node: the first hex digits of the paths under it. The
// root has the empty prefix.
type Prefix string

// Contains reports whether path lies under p.
func (p Prefix) Contains(path Path) bool {
	if len(p) > 2*len(path) {
		return false
	}
	for i := range len(p) {
		if p[i] != digits[digitAt(path, i)] {
			return false
		}
	}
	return true
}

// Child returns the prefix one digit longer.
func (p Prefix) Child(digit int) Prefix { return p + Prefix(digits[digit]) }

// Valid reports whether p is made of lower-case hex digits and not longer than a path.
func (p Prefix) Valid() bool {
	return len(p) <= 2*sha256.Size && strings.Trim(string(p), digits) == ""
}

// Entry is what a tree knows of one record. In a change a zero Hash removes the path.
type Entry struct {
	Path Path
	Hash Hash
}

// Child is what an inner node knows of one of its sixteen children.
type Child struct {
	// Count is the number of entries under the child.
	Count uint64
	// Hash is the hash of the child's body; zero when Count is zero.
	Hash Hash
}

// Node is one node of a tree: a leaf with all its entries, or an inner node.
//
// The shape depends on the set alone and not on its history: a node is inner
// exactly when more than [LeafMax] entries lie under it. Its hash is SHA-256 over
// its body, and a body holds either whole paths with content hashes or the counts
// and hashes of its children; so the root proves the whole set.
//
// A body is one row of a table (stream, prefix, body): changing one record
// rewrites the few bodies between its leaf and the root.
type Node struct {
	// Entries are those of a leaf, ascending by path.
	Entries []Entry
	// Children has sixteen elements in an inner node and none in a leaf.
	Children []Child
}

// Inner reports whether n has children.
func (n Node) Inner() bool { return len(n.Children) != 0 }

// Count returns the number of entries under n.
func (n Node) Count() uint64 {
	count := uint64(len(n.Entries))
	for _, c := range n.Children {
		count += c.Count
	}
	return count
}

// Hash returns the hash of the node's body, zero for an empty node.
func (n Node) Hash() Hash {
	if n.Count() == 0 {
		return Hash{}
	}
	return sha256.Sum256(n.Body())
}

// Body returns the canonical encoding of n, nil for an empty node.
func (n Node) Body() []byte {
	if n.Inner() {
		body := append(make([]byte, 0, 1+fanout*childSize), innerMark)
		for _, c := range n.Children {
			body = binary.BigEndian.AppendUint64(body, c.Count)
			body = append(body, c.Hash[:]...)
		}
		return body
	}
	if len(n.Entries) == 0 {
		return nil
	}
	body := append(make([]byte, 0, 1+len(n.Entries)*entrySize), leafMark)
	for _, e := range n.Entries {
		body = append(body, e.Path[:]...)
		body = append(body, e.Hash[:]...)
	}
	return body
}

// ParseNode decodes the body of the node at prefix and refuses with [ErrCorrupt]
// everything that [Node.Body] would not have written there.
func ParseNode(prefix Prefix, body []byte) (Node, error) {
	switch {
	case len(body) == 0:
		return Node{}, nil
	case body[0] == innerMark && len(body) == 1+fanout*childSize:
		return parseInner(prefix, body[1:])
	case body[0] == leafMark && len(body) > 1 && (len(body)-1)%entrySize == 0 && len(body) <= 1+LeafMax*entrySize:
		return parseLeaf(prefix, body[1:])
	}
	return Node{}, fmt.Errorf("syncer: tree node at %q has no known form: %w", prefix, ErrCorrupt)
}

func parseInner(prefix Prefix, b []byte) (Node, error) {
	n := Node{Children: make([]Child, fanout)}
	total := uint64(0)
	for i := range n.Children {
		c := Child{Count: binary.BigEndian.Uint64(b[i*childSize:])}
		copy(c.Hash[:], b[i*childSize+8:])
		if c.Count > 1<<48 || (c.Count == 0) != c.Hash.IsZero() {
			return Node{}, fmt.Errorf("syncer: child %d of tree node at %q is impossible: %w", i, prefix, ErrCorrupt)
		}
		n.Children[i] = c
		total += c.Count
	}
	if total <= LeafMax || len(prefix) >= 2*sha256.Size {
		return Node{}, fmt.Errorf("syncer: inner tree node at %q with %d entries: %w", prefix, total, ErrCorrupt)
	}
	return n, nil
}

func parseLeaf(prefix Prefix, b []byte) (Node, error) {
	n := Node{Entries: make([]Entry, len(b)/entrySize)}
	for i := range n.Entries {
		e := &n.Entries[i]
		copy(e.Path[:], b[i*entrySize:])
		copy(e.Hash[:], b[i*entrySize+sha256.Size:])
		outOfOrder := i > 0 && bytes.Compare(n.Entries[i-1].Path[:], e.Path[:]) >= 0
		if e.Hash.IsZero() || outOfOrder || !prefix.Contains(e.Path) {
			return Node{}, fmt.Errorf("syncer: entry %d of tree node at %q is impossible: %w", i, prefix, ErrCorrupt)
		}
	}
	return n, nil
}

// part returns the entries of a leaf at p that lie under child digit of p.
func (n Node) part(p Prefix, digit int) Node {
	return Node{Entries: slices.DeleteFunc(slices.Clone(n.Entries), func(e Entry) bool {
		return digitAt(e.Path, len(p)) != digit
	})}
}

// digitAt returns the i-th hex digit of path.
func digitAt(path Path, i int) int {
	if i%2 == 0 {
		return int(path[i/2] >> 4)
	}
	return int(path[i/2] & 15)
}

func sortEntries(entries []Entry) {
	sort.Slice(entries, func(i, j int) bool { return bytes.Compare(entries[i].Path[:], entries[j].Path[:]) < 0 })
}
