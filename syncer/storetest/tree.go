package storetest

import (
	"testing"

	"github.com/muster-sec/muster/syncer"
)

// referenceTree is the tree that a store under test is compared with.
type referenceTree struct {
	bodies map[syncer.Prefix][]byte
	root   syncer.Hash
}

func newTree() *referenceTree { return &referenceTree{bodies: map[syncer.Prefix][]byte{}} }

func (r *referenceTree) Node(p syncer.Prefix) ([]byte, error) { return r.bodies[p], nil }

func (r *referenceTree) SetNode(p syncer.Prefix, body []byte) error {
	r.bodies[p] = body
	if body == nil {
		delete(r.bodies, p)
	}
	return nil
}

func (r *referenceTree) set(t *testing.T, changes ...syncer.Entry) {
	t.Helper()
	root, err := syncer.UpdateTree(r, changes)
	if err != nil {
		t.Fatal(err)
	}
	r.root = root
}
