package syncer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Hash is a SHA-256 sum. The zero Hash stands for "nothing": no content, no tree.
type Hash [sha256.Size]byte

// IsZero reports whether h stands for nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// String returns h in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Path is the place of a record in the tree of its stream: SHA-256 over kind and
// key, so that records spread evenly whatever their keys look like.
type Path [sha256.Size]byte

// PathOf returns the path of the record with this kind and key.
func PathOf(kind, key string) Path {
	buf := make([]byte, 0, binary.MaxVarintLen64+len(kind)+len(key))
	buf = binary.AppendUvarint(buf, uint64(len(kind)))
	buf = append(buf, kind...)
	buf = append(buf, key...)
	return sha256.Sum256(buf)
}

// String returns p in lower-case hex; a [Prefix] of p is a prefix of this text.
func (p Path) String() string { return hex.EncodeToString(p[:]) }

// Record is one value of the replicated set, or the tombstone of one.
type Record struct {
	// Scope names the group of members that receive the record.
	Scope string
	// Kind and Key identify the record within its scope.
	Kind, Key string
	// Hash is the SHA-256 of Payload; zero exactly for a tombstone.
	Hash Hash
	// Payload is the content, opaque here. A live record may have an empty one.
	Payload []byte
	// Revision is the number that the primary gave to the last change of the record.
	Revision uint64
}

// NewRecord returns a live record with the hash of its payload and no revision
// yet. The payload is not copied.
func NewRecord(scope, kind, key string, payload []byte) Record {
	return Record{Scope: scope, Kind: kind, Key: key, Hash: sha256.Sum256(payload), Payload: payload}
}

// Tombstone returns the record that says kind and key are gone from the scope.
func Tombstone(scope, kind, key string) Record {
	return Record{Scope: scope, Kind: kind, Key: key}
}

// Deleted reports whether r is a tombstone.
func (r Record) Deleted() bool { return r.Hash.IsZero() }

// Path returns the place of r in the tree of its stream.
func (r Record) Path() Path { return PathOf(r.Kind, r.Key) }

// Entry returns what the tree of the stream holds about r.
func (r Record) Entry() Entry { return Entry{Path: r.Path(), Hash: r.Hash} }

// Size returns the bytes that r counts for against a [Limit].
func (r Record) Size() int { return len(r.Kind) + len(r.Key) + len(r.Payload) + 64 }

// Verify reports a record whose hash is not that of its payload.
func (r Record) Verify() error {
	if r.Deleted() {
		if len(r.Payload) != 0 {
			return fmt.Errorf("syncer: tombstone of %s %q carries a payload: %w", r.Kind, r.Key, ErrCorrupt)
		}
		return nil
	}
	if sha256.Sum256(r.Payload) != r.Hash {
		return fmt.Errorf("syncer: payload of %s %q does not have its hash: %w", r.Kind, r.Key, ErrCorrupt)
	}
	return nil
}
