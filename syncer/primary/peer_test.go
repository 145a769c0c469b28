package primary_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/primary"
	"github.com/muster-sec/muster/syncer/wire"
)

const fed = "fed-1"

func key(seed byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)) }

func now() time.Time { return time.UnixMilli(1_700_000_000_000) }

// bench is one peer under test with what it was told.
type bench struct {
	t    *testing.T
	peer *primary.Peer
}

func newBench(t *testing.T, window int) *bench {
	t.Helper()
	ring, err := syncer.NewRing(fed, key(1).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, peer: primary.NewPeer(primary.Config{
		Federation: fed, Keys: ring, Window: window, Interval: time.Second,
	}, now())}
}

func all() syncer.Entitlement { return syncer.Entitlement{All: true} }

func head(class syncer.Class, revision, floor uint64) syncer.Head {
	return syncer.Head{Stream: syncer.Stream{Scope: "all", Class: class}, Revision: revision, Floor: floor}
}

// frame hands in a frame and returns the effects, named.
func (b *bench) frame(f wire.Frame) []string {
	b.t.Helper()
	effects, err := b.peer.Frame(now(), f)
	if err != nil {
		b.t.Fatal(err)
	}
	return names(effects)
}

func (b *bench) greet() {
	b.t.Helper()
	b.frame(wire.Hello{Protocol: 1, Oldest: 1, Federation: fed, Clock: now()}.Encode())
}

func names(effects []primary.Effect) (out []string) {
	for _, e := range effects {
		switch e := e.(type) {
		case primary.Send:
			out = append(out, fmt.Sprintf("send %d", e.Frame.Type))
		case primary.Fetch:
			out = append(out, fmt.Sprintf("fetch %s after %d", e.Stream, e.After))
		case primary.Beat:
			out = append(out, "beat")
		case primary.OpenEpoch:
			out = append(out, fmt.Sprintf("open epoch above %d", e.Shown.Position.Epoch))
		default:
			out = append(out, fmt.Sprintf("%T", e))
		}
	}
	return out
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func place(class syncer.Class, epoch, revision uint64) wire.Place {
	return wire.Place{Stream: syncer.Stream{Scope: "all", Class: class}, Position: syncer.Position{Epoch: epoch, Revision: revision}}
}

// fetched answers a fetch with a batch of size bytes.
func (b *bench) fetched(class syncer.Class, after, to uint64, h syncer.Head, size int) []string {
	return names(b.peer.Fetched(now(), primary.Fetch{Stream: syncer.Stream{Scope: "all", Class: class}, After: after},
		primary.Sealed{Frame: wire.Frame{Type: wire.TypeBatch, Body: make([]byte, size)}, Epoch: 1, To: to, Head: h}))
}

func TestNothingIsSaidBeforeBothSidesAreKnown(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1000)
	if _, err := b.peer.Frame(now(), place(0, 1, 1).Want()); !errors.Is(err, primary.ErrProtocol) {
		t.Errorf("a question before the hello: %v", err)
	}
	b = newBench(t, 1000)
	want(t, "hello before the feed is read", b.frame(wire.Hello{Protocol: 1, Oldest: 1, Federation: fed}.Encode()), "send 2")
	want(t, "feed", names(b.peer.Heads(now(), 1, []syncer.Head{head(0, 5, 0)}, all())), "beat")
	want(t, "same again", names(b.peer.Heads(now(), 1, []syncer.Head{head(0, 5, 0)}, all())))
	want(t, "new stream", names(b.peer.Heads(now(), 1, []syncer.Head{head(0, 5, 0), head(1, 6, 0)}, all())), "beat")
	want(t, "new entitlement", names(b.peer.Heads(now(), 1, nil, syncer.Entitlement{})), "beat")
	want(t, "new epoch", names(b.peer.Heads(now(), 2, nil, syncer.Entitlement{})), "beat")
}

func TestImportantStreamsGoFirstAndTheWindowHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1000)
	heads := []syncer.Head{head(0, 20, 0), head(2, 30, 0)}
	b.peer.Heads(now(), 1, heads, all())
	b.greet()
	want(t, "details wanted first", b.frame(place(2, 0, 0).Want()), "fetch all/2 after 0")
	want(t, "rules wanted", b.frame(place(0, 0, 0).Want()), "fetch all/0 after 0")
	want(t, "rules", b.fetched(0, 0, 10, heads[0], 600), "send 10", "fetch all/0 after 10")
	want(t, "rules to the head, window full", b.fetched(0, 10, 20, heads[0], 600), "send 10")
	if got := b.peer.Status().InFlight; got < 1200 {
		t.Errorf("%d bytes in flight", got)
	}
	want(t, "ack makes room", b.frame(place(0, 1, 10).Ack()), "fetch all/2 after 0")
	want(t, "ack of what was never sent", b.frame(place(0, 1, 99).Ack()), "fetch all/2 after 0")
	if got := b.peer.Status().Streams[0].Acked.Revision; got != 20 {
		t.Errorf("acknowledged up to %d", got)
	}
	want(t, "change of a rule overtakes details", names(b.peer.Heads(now(), 1, []syncer.Head{head(0, 31, 0), head(2, 30, 0)}, all())),
		"fetch all/0 after 20")
}

func TestQuestionsThatNeedAComparisonAreAnsweredByAHeartbeat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		place wire.Place
		want  string
	}{
		{"from the start", place(0, 0, 0), "fetch all/0 after 0"},
		{"in order", place(0, 1, 15), "fetch all/0 after 15"},
		{"below the floor", place(0, 1, 5), "beat"},
		{"below the floor, but began above it",
			wire.Place{Stream: place(0, 0, 0).Stream, Position: syncer.Position{Epoch: 1, Revision: 5}, Floor: 10}, "fetch all/0 after 5"},
		{"other epoch", place(0, 7, 15), "beat"},
		{"beyond the head", place(0, 1, 25), "beat"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1000)
			b.peer.Heads(now(), 1, []syncer.Head{head(0, 20, 10)}, all())
			b.greet()
			want(t, tt.name, b.frame(tt.place.Want()), tt.want)
		})
	}
}

func TestOtherScopesAreNotServed(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1000)
	b.peer.Heads(now(), 1, []syncer.Head{head(0, 20, 0)}, syncer.Entitlement{Scopes: []string{"lab"}})
	b.greet()
	want(t, "want", b.frame(place(0, 0, 0).Want()), "beat")
	want(t, "compare", b.frame(wire.Compare{Stream: place(0, 0, 0).Stream}.Encode()))
}

func TestOnlyOurOwnSignatureProvesLostHistory(t *testing.T) {
	t.Parallel()
	codec, err := wire.NewCodec(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	evidence := func(k ed25519.PrivateKey, epoch, revision uint64) wire.Frame {
		ring, err := syncer.NewRing(fed, k.Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		batch := wire.Batch{Stream: place(0, 0, 0).Stream, Epoch: epoch, To: revision, Head: revision}
		opened, err := wire.OpenBatch(wire.NewSigner(fed, k).Batch(batch, codec).Body, fed, ring, codec)
		if err != nil {
			t.Fatal(err)
		}
		return wire.Frame{Type: wire.TypeAhead, Body: wire.Evidence{Type: wire.TypeBatch, Seal: opened.Seal}.Encode()}
	}
	b := newBench(t, 1000)
	b.greet()
	want(t, "before the own heads are known", b.frame(evidence(key(1), 1, 20)))
	b.peer.Heads(now(), 1, []syncer.Head{head(0, 20, 0)}, all())
	want(t, "a later revision", b.frame(evidence(key(1), 1, 21)), "open epoch above 1")
	want(t, "a later epoch", b.frame(evidence(key(1), 9, 1)), "open epoch above 9")
	want(t, "nothing new", b.frame(evidence(key(1), 1, 20)))
	if _, err := b.peer.Frame(now(), evidence(key(2), 9, 9)); !errors.Is(err, syncer.ErrSignature) {
		t.Errorf("evidence of a stranger: %v", err)
	}
}

func TestSilenceEndsTheSession(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1000)
	b.peer.Heads(now(), 1, nil, all())
	b.greet()
	effects, err := b.peer.Tick(now().Add(time.Second))
	want(t, "one interval", names(effects), "beat")
	if err != nil {
		t.Error(err)
	}
	b.peer.Heard(now().Add(3 * time.Second))
	if _, err := b.peer.Tick(now().Add(5 * time.Second)); err != nil {
		t.Errorf("a chunk of a long frame is no sign of life: %v", err)
	}
	if _, err := b.peer.Tick(now().Add(7 * time.Second)); !errors.Is(err, primary.ErrSilent) {
		t.Errorf("error %v, want ErrSilent", err)
	}
}
