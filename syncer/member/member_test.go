package member_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/member"
	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/wire"
)

const fed = "fed-1"

func key(seed byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)) }

func now() time.Time { return time.UnixMilli(1_700_000_000_000) }

func rules() syncer.Stream { return syncer.Stream{Scope: "all"} }

// bench is a machine under test with its store and a primary's pen.
type bench struct {
	t      *testing.T
	store  *memstore.Member
	m      *member.Machine
	codec  *wire.Codec
	signer *wire.Signer
	orders uint64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	codec, err := wire.NewCodec(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: memstore.NewMember(), codec: codec, signer: wire.NewSigner(fed, key(1))}
	b.restart()
	return b
}

// restart begins a new session on the same store.
func (b *bench) restart() {
	b.t.Helper()
	ring, err := syncer.NewRing(fed, key(1).Public().(ed25519.PublicKey))
	if err != nil {
		b.t.Fatal(err)
	}
	state, err := b.store.State(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	b.m = member.New(member.Config{Federation: fed, Member: "m-1", Ring: ring, Codec: b.codec, Silence: time.Minute}, state)
	b.m.Start(now())
	b.frame(wire.Hello{Protocol: 1, Oldest: 1, Federation: fed, Clock: now().Add(time.Hour)}.Encode())
}

// frame hands in a frame, carries out the effects and returns the frames sent.
func (b *bench) frame(f wire.Frame) []string {
	b.t.Helper()
	effects, err := b.m.Frame(now(), f)
	if err != nil {
		b.t.Fatal(err)
	}
	var sent []string
	for len(effects) > 0 {
		e := effects[0]
		var more []member.Effect
		switch e := e.(type) {
		case member.Send:
			sent = append(sent, describe(b.t, e.Frame))
		case member.Apply:
			root, err := b.store.Apply(b.t.Context(), e.Change)
			if err != nil {
				b.t.Fatal(err)
			}
			more = b.m.Applied(e, root)
		case member.Load:
			node, err := syncer.NodeAt(func(p syncer.Prefix) ([]byte, error) { return b.store.Node(b.t.Context(), e.Stream, p) }, e.Prefix)
			if err != nil {
				b.t.Fatal(err)
			}
			more = b.m.Loaded(e, node)
		case member.Removed:
			sent = append(sent, "removed")
		}
		effects = append(more, effects[1:]...)
	}
	return sent
}

func describe(t *testing.T, f wire.Frame) string {
	t.Helper()
	switch f.Type {
	case wire.TypeWant, wire.TypeAck:
		p, err := wire.DecodePlace(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s", map[wire.Type]string{wire.TypeWant: "want", wire.TypeAck: "ack"}[f.Type], p.Position)
	case wire.TypePulse:
		return "pulse"
	case wire.TypeCompare:
		return "compare"
	case wire.TypeAhead:
		return "ahead"
	}
	return fmt.Sprintf("frame %d", f.Type)
}

// beat sends a heartbeat about the one stream.
func (b *bench) beat(epoch, head, floor uint64, root syncer.Hash) []string {
	b.t.Helper()
	b.orders++
	return b.frame(b.signer.Heartbeat(wire.Heartbeat{
		Epoch: epoch, Time: now().Add(time.Duration(b.orders) * time.Second), Interval: time.Second,
		Entitled: syncer.Entitlement{All: true},
		Heads:    []syncer.Head{{Stream: rules(), Revision: head, Floor: floor, Root: root}},
	}))
}

func rule(i int, text string, revision uint64) syncer.Record {
	r := syncer.NewRecord("all", "rule", fmt.Sprint(i), []byte(text))
	r.Revision = revision
	return r
}

// batch sends records; a batch that reaches the head names the root.
func (b *bench) batch(epoch, from, to, head uint64, root syncer.Hash, records ...syncer.Record) []string {
	b.t.Helper()
	return b.frame(b.signer.Batch(wire.Batch{
		Stream: rules(), Epoch: epoch, From: from, To: to, Head: head, Root: root, Records: records,
	}, b.codec))
}

// root is that of a copy with these rules.
func root(t *testing.T, records ...syncer.Record) syncer.Hash {
	t.Helper()
	h, err := memstore.NewMember().Apply(t.Context(), syncer.Change{Stream: rules(), Put: records})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestBatchesAreAppliedInOrderOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if got := b.m.Status().Offset; got != time.Hour {
		t.Errorf("after the hello the offset is %s", got)
	}
	first, second := rule(1, "a", 3), rule(2, "b", 9)
	whole := root(t, first, second)
	expect(t, "batch before any heartbeat", b.batch(1, 0, 3, 9, syncer.Hash{}, first))
	expect(t, "heartbeat", b.beat(1, 9, 0, whole), "want 0.0", "pulse")
	expect(t, "a hole", b.batch(1, 3, 9, 9, whole, second))
	expect(t, "other epoch", b.batch(2, 0, 3, 9, syncer.Hash{}, first))
	expect(t, "first", b.batch(1, 0, 3, 9, syncer.Hash{}, first), "ack 1.3")
	expect(t, "first again", b.batch(1, 0, 3, 9, syncer.Hash{}, first), "ack 1.3")
	expect(t, "read before the first", b.batch(1, 3, 8, 8, whole, second))
	expect(t, "overlapping", b.batch(1, 1, 9, 9, whole, second))
	expect(t, "second", b.batch(1, 3, 9, 9, whole, second), "ack 1.9")
	expect(t, "agreement", b.beat(1, 9, 0, whole), "pulse")
	if s := b.m.Status(); !s.Synced() {
		t.Errorf("status %+v", s)
	}
}

func TestWhatNeedsAComparison(t *testing.T) {
	t.Parallel()
	held := rule(1, "a", 5)
	same, other := root(t, held), root(t, rule(1, "b", 5))
	tests := []struct {
		name        string
		epoch       uint64
		head, floor uint64
		root        syncer.Hash
		want        []string
	}{
		{"nothing", 1, 5, 0, same, []string{"want 1.5", "pulse"}},
		{"another root", 1, 5, 0, other, []string{"compare", "pulse"}},
		{"later epoch", 2, 5, 0, same, []string{"compare", "pulse"}},
		{"tombstones collected", 1, 9, 7, other, []string{"compare", "pulse"}},
		{"just behind", 1, 9, 0, other, []string{"want 1.5", "pulse"}},
		{"primary fell back", 1, 4, 0, other, []string{"ahead", "pulse"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.beat(1, 5, 0, same)
			expect(t, "setup", b.batch(1, 0, 5, 5, same, held), "ack 1.5")
			b.restart()
			b.orders = 100
			expect(t, tt.name, b.beat(tt.epoch, tt.head, tt.floor, tt.root), tt.want...)
		})
	}
}

func TestAFinalBatchWithAnotherRootStartsAComparison(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.beat(1, 5, 0, syncer.Hash{1})
	expect(t, "batch", b.batch(1, 0, 5, 5, syncer.Hash{1}, rule(1, "a", 5)), "ack 1.5", "compare")
}

func TestRequestsAreRepeatedWithPatience(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	expect(t, "first", b.beat(1, 5, 0, syncer.Hash{1}), "want 0.0", "pulse")
	expect(t, "second", b.beat(1, 5, 0, syncer.Hash{1}), "pulse")
	expect(t, "third", b.beat(1, 5, 0, syncer.Hash{1}), "pulse")
	expect(t, "fourth", b.beat(1, 5, 0, syncer.Hash{1}), "want 0.0", "pulse")
}

func TestWithdrawnScopesAreDropped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	held := rule(1, "a", 5)
	b.beat(1, 5, 0, root(t, held))
	b.batch(1, 0, 5, 5, root(t, held), held)
	b.frame(b.signer.Heartbeat(wire.Heartbeat{
		Epoch: 1, Time: now().Add(time.Hour), Interval: time.Second, Entitled: syncer.Entitlement{Scopes: []string{"lab"}},
	}))
	if _, ok := b.store.Record(rules(), "rule", "1"); ok {
		t.Error("the record is still there")
	}
	expect(t, "batch of the old scope", b.batch(1, 5, 6, 6, syncer.Hash{}, rule(2, "b", 6)))
}

func TestFramesThatEndTheSession(t *testing.T) {
	t.Parallel()
	stranger := wire.NewSigner(fed, key(9))
	codec, err := wire.NewCodec(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	mine := wire.NewSigner(fed, key(1))
	tests := []struct {
		name  string
		frame wire.Frame
		want  error
	}{
		{"heartbeat of a stranger", stranger.Heartbeat(wire.Heartbeat{Epoch: 1, Time: now()}), syncer.ErrSignature},
		{"batch of a stranger", stranger.Batch(wire.Batch{Stream: rules()}, codec), syncer.ErrSignature},
		{"removal by a stranger", stranger.Notice(wire.Notice{Member: "m-1"}), syncer.ErrSignature},
		{"removal of somebody else", mine.Notice(wire.Notice{Member: "m-2"}), member.ErrProtocol},
		{"hello of another federation", wire.Hello{Protocol: 1, Oldest: 1, Federation: "x"}.Encode(), member.ErrProtocol},
		{"a member's frame", wire.Frame{Type: wire.TypeWant}, member.ErrProtocol},
		{"a key chain of a stranger",
			wire.EncodeKeys([]syncer.Rotation{syncer.NewRotation(fed, key(9), key(8).Public().(ed25519.PublicKey))}), syncer.ErrSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := newBench(t).m.Frame(now(), tt.frame); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestRotationsAreFollowedAndKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	rotation := syncer.NewRotation(fed, key(1), key(2).Public().(ed25519.PublicKey))
	b.frame(wire.EncodeKeys([]syncer.Rotation{rotation}))
	b.signer = wire.NewSigner(fed, key(2))
	expect(t, "heartbeat under the new key", b.beat(1, 0, 0, syncer.Hash{}), "pulse")
	state, err := b.store.State(t.Context())
	if diff := cmp.Diff([]syncer.Rotation{rotation}, state.Rotations); diff != "" || err != nil {
		t.Errorf("kept, error %v (-want +got):\n%s", err, diff)
	}
}

func TestRemovalAndSilence(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	expect(t, "notice", b.frame(b.signer.Notice(wire.Notice{Member: "m-1", Code: "removed"})), "removed")
	b.beat(1, 0, 0, syncer.Hash{})
	if err := b.m.Tick(now().Add(3 * time.Second)); err != nil {
		t.Errorf("three intervals: %v", err)
	}
	if err := b.m.Tick(now().Add(4 * time.Second)); !errors.Is(err, member.ErrSilent) {
		t.Errorf("four intervals: %v", err)
	}
}
