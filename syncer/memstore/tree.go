package memstore

import (
	"maps"

	"github.com/muster-sec/muster/syncer"
)

// tree is a [syncer.TreeStore] in a map.
type tree map[syncer.Prefix][]byte

var _ syncer.TreeStore = tree(nil)

func (t tree) Node(prefix syncer.Prefix) ([]byte, error) { return t[prefix], nil }

func (t tree) SetNode(prefix syncer.Prefix, body []byte) error {
	if body == nil {
		delete(t, prefix)
		return nil
	}
	t[prefix] = body
	return nil
}

// clone copies a map that may be nil; the values are never changed in place.
func clone[M ~map[K]V, K comparable, V any](m M) M {
	if m == nil {
		return M{}
	}
	return maps.Clone(m)
}
