package syncer_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/muster-sec/muster/syncer"
)

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func TestRingFollowsRotations(t *testing.T) {
	t.Parallel()
	a, b, c, stranger := key(1), key(2), key(3), key(4)
	toB := syncer.NewRotation("fed", a, public(b))
	toC := syncer.NewRotation("fed", b, public(c))
	tests := []struct {
		name  string
		chain []syncer.Rotation
		added int
		fails bool
	}{
		{"none", nil, 0, false},
		{"in order", []syncer.Rotation{toB, toC}, 2, false},
		{"twice", []syncer.Rotation{toB, toB, toC, toC}, 2, false},
		{"a link is missing", []syncer.Rotation{toC}, 0, true},
		{"signed by a stranger", []syncer.Rotation{toB, syncer.NewRotation("fed", stranger, public(c))}, 1, true},
		{"of another federation", []syncer.Rotation{syncer.NewRotation("other", a, public(b))}, 0, true},
		{"signature of another key", []syncer.Rotation{{New: public(c), Signer: toB.Signer, Signature: toB.Signature}}, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ring, err := syncer.NewRing("fed", public(a))
			if err != nil {
				t.Fatal(err)
			}
			added, err := ring.Accept(tt.chain)
			if len(added) != tt.added || errors.Is(err, syncer.ErrSignature) != tt.fails {
				t.Errorf("added %d, error %v; want %d, failure %v", len(added), err, tt.added, tt.fails)
			}
		})
	}
}

func TestRecordVerify(t *testing.T) {
	t.Parallel()
	good := syncer.NewRecord("s", "k", "key", []byte("x"))
	forged := good
	forged.Payload = []byte("y")
	tests := []struct {
		name   string
		record syncer.Record
		fails  bool
	}{
		{"live", good, false},
		{"live and empty", syncer.NewRecord("s", "k", "key", nil), false},
		{"tombstone", syncer.Tombstone("s", "k", "key"), false},
		{"other payload", forged, true},
		{"tombstone with payload", syncer.Record{Kind: "k", Payload: []byte("x")}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tt.record.Verify(); errors.Is(err, syncer.ErrCorrupt) != tt.fails {
				t.Errorf("error %v, want failure %v", err, tt.fails)
			}
		})
	}
}

func TestPathKeepsKindAndKeyApart(t *testing.T) {
	t.Parallel()
	if syncer.PathOf("ab", "c") == syncer.PathOf("a", "bc") {
		t.Error("two different names share a path")
	}
}
