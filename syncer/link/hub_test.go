package link

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"testing"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/primary"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/wire"
)

// nobody is a federation without members.
type nobody struct{}

func (nobody) Standing(context.Context, session.Peer) (Standing, error) { return Standing{}, nil }
func (nobody) Revoked(session.Peer) bool                                { return true }
func (nobody) Summary(context.Context, string, []byte) error            { return nil }
func (nobody) Left(context.Context, string) error                       { return nil }
func (nobody) Orphans(context.Context, string, []syncer.Record) ([]syncer.Orphan, error) {
	return nil, nil
}

// TestAnEpochIsOpenedOnlyForWhatTheStoreHasLost shows heads to a hub that has not
// read its store yet, as a session might that knows too little.
func TestAnEpochIsOpenedOnlyForWhatTheStoreHasLost(t *testing.T) {
	t.Parallel()
	store := memstore.NewPrimary(syncer.Priority{"rule": 0}, 3)
	if _, err := store.Write(t.Context(), syncer.NewRecord("all", "rule", "r", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	ring, err := syncer.NewRing("fed-1", key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	hub, err := NewHub(HubConfig{
		Federation: "fed-1", Store: store, Key: key, Keys: ring, Members: nobody{},
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, heads, err := store.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stream, head := heads[0].Stream, heads[0].Revision
	tests := []struct {
		name            string
		epoch, revision uint64
		want            uint64
	}{
		{"of an earlier epoch", 2, head + 9, 3},
		{"that is the store's own", 3, head, 3},
		{"that is lost", 3, head + 1, 4},
		{"that another member has shown", 3, head + 1, 4},
	}
	for _, tt := range tests {
		shown := wire.Place{Stream: stream, Position: syncer.Position{Epoch: tt.epoch, Revision: tt.revision}}
		if err := hub.openEpoch(t.Context(), "a", primary.OpenEpoch{Shown: shown}); err != nil {
			t.Fatal(err)
		}
		if epoch, _, _ := store.Heads(t.Context()); epoch != tt.want {
			t.Errorf("after a head %s: epoch %d, want %d", tt.name, epoch, tt.want)
		}
	}
}
