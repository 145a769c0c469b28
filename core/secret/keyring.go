// Package secret seals what must not lie readable in the database: registry
// credentials, the federation's keys. Everything is sealed with a key that
// lives in one file beside the database and outside its backups, so that a
// copied database alone gives nothing away.
package secret

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// A sealed blob is
//
//	version (1 byte) | key id (8 bytes) | nonce (24 bytes) | ciphertext and tag
//
// under XChaCha20-Poly1305, whose nonce is long enough to be drawn at random.
// Version, key id and the purpose are authenticated with the text.
const (
	version   = 1
	idSize    = 8
	headSize  = 1 + idSize
	nonceSize = chacha20poly1305.NonceSizeX
	// Overhead is how many bytes longer a blob is than its text.
	Overhead = headSize + nonceSize + chacha20poly1305.Overhead
)

// What can be wrong with a blob.
var (
	// ErrMalformed marks bytes that no keyring has sealed.
	ErrMalformed = errors.New("not a sealed blob")
	// ErrUnknownKey marks a blob whose key the key file does not hold.
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	// ErrForged marks a blob that was changed, or sealed for another purpose.
	ErrForged = errors.New("sealed blob was changed or is for another purpose")
)

type keyID [idSize]byte

// Keyring seals with its newest key and opens with any it holds. It is
// immutable and safe for concurrent use.
type Keyring struct {
	current keyID
	ciphers map[keyID]cipher.AEAD
}

// newKeyring makes a keyring of 32-byte keys; the first is the current one.
func newKeyring(keys [][]byte) (*Keyring, error) {
	ring := &Keyring{ciphers: make(map[keyID]cipher.AEAD, len(keys))}
	for i, key := range keys {
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return nil, fmt.Errorf("secret: use key %d: %w", i+1, err)
		}
		id := idOf(key)
		ring.ciphers[id] = aead
		if i == 0 {
			ring.current = id
		}
	}
	return ring, nil
}

// idOf names a key by a hash that says nothing about it, so that a key file
// needs no bookkeeping beside the keys themselves.
func idOf(key []byte) keyID {
	sum := sha256.Sum256(append([]byte("muster key id\x00"), key...))
	return keyID(sum[:idSize])
}

// Seal encrypts plaintext for a purpose ("registry credential"); only Open with
// the same purpose gives it back, so that a blob cannot be moved to where it
// would mean something else.
func (k *Keyring) Seal(plaintext []byte, purpose string) ([]byte, error) {
	blob := make([]byte, headSize+nonceSize, len(plaintext)+Overhead)
	blob[0] = version
	copy(blob[1:], k.current[:])
	nonce := blob[headSize:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("secret: draw a nonce: %w", err)
	}
	return k.ciphers[k.current].Seal(blob, nonce, plaintext, associated(blob[:headSize], purpose)), nil
}

// Open decrypts what Seal made for the same purpose. Its errors are
// ErrMalformed, ErrUnknownKey and ErrForged.
func (k *Keyring) Open(blob []byte, purpose string) ([]byte, error) {
	if len(blob) < Overhead || blob[0] != version {
		return nil, fmt.Errorf("secret: open %s: %w", purpose, ErrMalformed)
	}
	head, nonce, sealed := blob[:headSize], blob[headSize:headSize+nonceSize], blob[headSize+nonceSize:]
	aead, ok := k.ciphers[keyID(head[1:])]
	if !ok {
		return nil, fmt.Errorf("secret: open %s: key %x: %w", purpose, head[1:], ErrUnknownKey)
	}
	plaintext, err := aead.Open(nil, nonce, sealed, associated(head, purpose))
	if err != nil {
		return nil, fmt.Errorf("secret: open %s: %w", purpose, ErrForged)
	}
	return plaintext, nil
}

func associated(head []byte, purpose string) []byte {
	return append(bytes.Clone(head), purpose...)
}

// For gives a sealer whose purpose is fixed, for a consumer that should not
// have to know of others.
func (k *Keyring) For(purpose string) Sealer { return Sealer{ring: k, purpose: purpose} }

// Sealer seals and opens for one purpose. It is safe for concurrent use.
type Sealer struct {
	ring    *Keyring
	purpose string
}

// Seal is Keyring.Seal for the sealer's purpose.
func (s Sealer) Seal(plaintext []byte) ([]byte, error) { return s.ring.Seal(plaintext, s.purpose) }

// Open is Keyring.Open for the sealer's purpose.
func (s Sealer) Open(blob []byte) ([]byte, error) { return s.ring.Open(blob, s.purpose) }
