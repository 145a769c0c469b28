package syncer

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
)

// KeyID names a content key: the first sixteen bytes of the SHA-256 of the
// public key, in hex.
type KeyID string

// KeyIDOf returns the name of a public content key.
func KeyIDOf(public ed25519.PublicKey) KeyID {
	sum := sha256.Sum256(public)
	return KeyID(hex.EncodeToString(sum[:16]))
}

// Rotation announces a new content key under the signature of an older one.
type Rotation struct {
	// New is the key that signs from now on.
	New ed25519.PublicKey
	// Signer names the key that made Signature.
	Signer KeyID
	// Signature is Ed25519 over a fixed context, the federation and New.
	Signature []byte
}

// NewRotation signs the successor of a content key.
func NewRotation(federation string, old ed25519.PrivateKey, successor ed25519.PublicKey) Rotation {
	return Rotation{
		New:       slices.Clone(successor),
		Signer:    KeyIDOf(old.Public().(ed25519.PublicKey)),
		Signature: ed25519.Sign(old, rotationMessage(federation, successor)),
	}
}

func rotationMessage(federation string, successor ed25519.PublicKey) []byte {
	msg := append([]byte("muster content key rotation 1\x00"), federation...)
	return append(append(msg, 0), successor...)
}

// Ring holds the content keys that a side trusts. It is safe for concurrent use.
type Ring struct {
	federation string

	mu   sync.RWMutex
	keys map[KeyID]ed25519.PublicKey
}

// NewRing returns a ring that trusts one key: the one the enrolment delivered.
func NewRing(federation string, first ed25519.PublicKey) (*Ring, error) {
	if len(first) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("syncer: content key has %d bytes: %w", len(first), ErrCorrupt)
	}
	return &Ring{federation: federation, keys: map[KeyID]ed25519.PublicKey{KeyIDOf(first): slices.Clone(first)}}, nil
}

// Accept adds the keys of a chain of rotations and returns those rotations that
// were new. A rotation whose signer is unknown, or whose signature is wrong,
// ends the chain with [ErrSignature]; the ones before it count.
func (r *Ring) Accept(chain []Rotation) (added []Rotation, err error) {
	for _, rot := range chain {
		if len(rot.New) != ed25519.PublicKeySize {
			return added, fmt.Errorf("syncer: rotation to a key of %d bytes: %w", len(rot.New), ErrCorrupt)
		}
		if _, known := r.key(KeyIDOf(rot.New)); known {
			continue
		}
		if err := r.Verify(rot.Signer, rotationMessage(r.federation, rot.New), rot.Signature); err != nil {
			return added, fmt.Errorf("syncer: rotation to content key %s: %w", KeyIDOf(rot.New), err)
		}
		r.mu.Lock()
		r.keys[KeyIDOf(rot.New)] = slices.Clone(rot.New)
		r.mu.Unlock()
		added = append(added, rot)
	}
	return added, nil
}

// Verify reports whether the named key is trusted and made this signature.
func (r *Ring) Verify(id KeyID, message, signature []byte) error {
	key, ok := r.key(id)
	if !ok {
		return fmt.Errorf("syncer: content key %q is not known here: %w", id, ErrSignature)
	}
	if !ed25519.Verify(key, message, signature) {
		return fmt.Errorf("syncer: wrong signature of content key %s: %w", id, ErrSignature)
	}
	return nil
}

func (r *Ring) key(id KeyID) (ed25519.PublicKey, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	key, ok := r.keys[id]
	return key, ok
}
