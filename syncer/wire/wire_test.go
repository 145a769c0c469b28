package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

const fed = "fed-1"

func contentKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
}

func signer() *wire.Signer { return wire.NewSigner(fed, contentKey(1)) }

func ring(tb testing.TB) *syncer.Ring {
	tb.Helper()
	r, err := syncer.NewRing(fed, contentKey(1).Public().(ed25519.PublicKey))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func codec(tb testing.TB, limit int) *wire.Codec {
	tb.Helper()
	c, err := wire.NewCodec(limit)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func stream() syncer.Stream { return syncer.Stream{Scope: "all", Class: 1} }

func at() time.Time { return time.UnixMilli(1_700_000_000_123) }

func records() []syncer.Record {
	a := syncer.NewRecord("all", "verdict", "sha256:1", []byte("payload"))
	a.Revision = 8
	b := syncer.Tombstone("all", "verdict", "sha256:2")
	b.Revision = 9
	c := syncer.NewRecord("all", "verdict", "sha256:3", nil)
	c.Revision = 12
	return []syncer.Record{a, b, c}
}

func batch() wire.Batch {
	return wire.Batch{
		Stream: stream(), Epoch: 3, From: 7, To: 12, Head: 12, Root: syncer.Hash{1, 2}, Floor: 4, Records: records(),
	}
}

func node() syncer.Node {
	return syncer.Node{Entries: []syncer.Entry{records()[0].Entry()}}
}

func difference() wire.Difference {
	return wire.Difference{
		Stream: stream(), Challenge: wire.Challenge{9}, Prefix: "a3", Asked: node().Hash(), Epoch: 3, Head: 12,
		Leaf: true, Keep: []syncer.Path{records()[0].Path()}, Records: records()[:1], More: true,
	}
}

func heartbeat() wire.Heartbeat {
	return wire.Heartbeat{
		Epoch: 3, Time: at(), Interval: 5 * time.Second,
		Entitled: syncer.Entitlement{Scopes: []string{"all", ""}},
		Heads:    []syncer.Head{{Stream: stream(), Revision: 12, Floor: 4, Root: syncer.Hash{1}}},
	}
}

func notice() wire.Notice {
	return wire.Notice{Member: "m-1", Code: "removed", Reason: "decommissioned", Time: at()}
}

func hello() wire.Hello {
	return wire.Hello{
		Protocol: 1, Oldest: 1, Federation: fed, Clock: at(), Product: "1.2.3", Capabilities: []string{"a", "b"},
	}
}

func place() wire.Place {
	return wire.Place{Stream: stream(), Position: syncer.Position{Epoch: 3, Revision: 12}, Floor: 4, Seen: 13}
}

func rotation() syncer.Rotation {
	return syncer.NewRotation(fed, contentKey(1), contentKey(2).Public().(ed25519.PublicKey))
}

// frames is one of each kind, by name.
func frames(tb testing.TB) map[string]wire.Frame {
	tb.Helper()
	c := codec(tb, 1<<20)
	return map[string]wire.Frame{
		"hello":      hello().Encode(),
		"keys":       wire.EncodeKeys([]syncer.Rotation{rotation()}),
		"heartbeat":  signer().Heartbeat(heartbeat()),
		"want":       place().Want(),
		"batch":      signer().Batch(batch(), c),
		"ack":        place().Ack(),
		"compare":    wire.Compare{Stream: stream(), Challenge: wire.Challenge{9}, Prefix: "", Node: node()}.Encode(),
		"difference": signer().Difference(difference(), c),
		"pulse":      wire.Pulse{Clock: at(), Offset: -90 * time.Second, Places: []wire.Place{place()}}.Encode(),
		"orphans":    wire.EncodeOrphans(records()[:1]),
		"settled":    wire.EncodeSettled([]syncer.Orphan{records()[0].Orphan()}),
		"notice":     signer().Notice(notice()),
		"challenge":  wire.EnrolChallenge{Nonce: []byte{1, 2, 3}}.Encode(),
		"apply": wire.EnrolApply{
			Federation: fed, Token: "t", Pin: syncer.Hash{5}, Nonce: []byte{4}, Request: []byte{5},
			Name: "edge", Info: []byte{6}, Signature: []byte{7},
		}.Encode(),
		"refusal": wire.EnrolRefusal{Code: "c", Reason: "r"}.Encode(),
	}
}

// TestBytesOnTheWireAreStable compares with what earlier releases sent. A
// difference here is a break of the protocol, not a reason to run -update.
func TestBytesOnTheWireAreStable(t *testing.T) {
	t.Parallel()
	for name, f := range frames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name+".hex")
			got := hex.EncodeToString(f.Append(nil)) + "\n"
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("bytes (-golden +now):\n%s", diff)
			}
		})
	}
}

// TestEveryMessageComesBack decodes each message and compares it with what was sent.
func TestEveryMessageComesBack(t *testing.T) {
	t.Parallel()
	r, c, all := ring(t), codec(t, 1<<20), frames(t)
	orphan := records()[0]
	tests := []struct {
		name   string
		want   any
		decode func([]byte) (any, error)
	}{
		{"hello", hello(), func(b []byte) (any, error) { return wire.DecodeHello(b) }},
		{"keys", []syncer.Rotation{rotation()}, func(b []byte) (any, error) { return wire.DecodeKeys(b) }},
		{"heartbeat", heartbeat(), func(b []byte) (any, error) { return wire.OpenHeartbeat(b, fed, r) }},
		{"want", place(), func(b []byte) (any, error) { return wire.DecodePlace(b) }},
		{"batch", batch(), func(b []byte) (any, error) { return wire.OpenBatch(b, fed, r, c) }},
		{"compare", wire.Compare{Stream: stream(), Challenge: wire.Challenge{9}, Node: node()},
			func(b []byte) (any, error) { return wire.DecodeCompare(b) }},
		{"difference", difference(), func(b []byte) (any, error) { return wire.OpenDifference(b, fed, r, c) }},
		{"pulse", wire.Pulse{Clock: at(), Offset: -90 * time.Second, Places: []wire.Place{place()}},
			func(b []byte) (any, error) { return wire.DecodePulse(b) }},
		{"orphans", []syncer.Record{orphan}, func(b []byte) (any, error) { return wire.DecodeOrphans(b) }},
		{"settled", []syncer.Orphan{orphan.Orphan()}, func(b []byte) (any, error) { return wire.DecodeSettled(b) }},
		{"notice", notice(), func(b []byte) (any, error) { return wire.OpenNotice(b, fed, r) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := wire.NewReader(bytes.NewReader(all[tt.name].Append(nil)), wire.DefaultLimits(), nil).Read()
			if err != nil {
				t.Fatal(err)
			}
			got, err := tt.decode(f.Body)
			if err != nil {
				t.Fatal(err)
			}
			opts := []cmp.Option{
				cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(wire.Batch{}, "Seal"), cmpopts.IgnoreFields(wire.Difference{}, "Seal"),
			}
			if diff := cmp.Diff(tt.want, got, opts...); diff != "" {
				t.Errorf("(-sent +received):\n%s", diff)
			}
		})
	}
}

// TestEvidenceProvesAHead shows that what a member keeps of an answer proves the
// head that the answer named, and that it cannot be made up.
func TestEvidenceProvesAHead(t *testing.T) {
	t.Parallel()
	r, c := ring(t), codec(t, 1<<20)
	b, err := wire.OpenBatch(signer().Batch(batch(), c).Body, fed, r, c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := wire.OpenDifference(signer().Difference(difference(), c).Body, fed, r, c)
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Place{Stream: stream(), Position: syncer.Position{Epoch: 3, Revision: 12}}
	for _, ev := range []wire.Evidence{{wire.TypeBatch, b.Seal}, {wire.TypeDifference, d.Seal}} {
		got, err := wire.OpenEvidence(ev.Encode(), fed, r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
		ev.Seal.Header = append(bytes.Clone(ev.Seal.Header), 12, 1, 99) // another position
		if _, err := wire.OpenEvidence(ev.Encode(), fed, r); !errors.Is(err, syncer.ErrSignature) {
			t.Errorf("changed evidence: %v", err)
		}
		swapped := wire.Evidence{Type: wire.TypeBatch + wire.TypeDifference - ev.Type, Seal: ev.Seal}
		if _, err := wire.OpenEvidence(swapped.Encode(), fed, r); err == nil {
			t.Error("evidence passes as that of another type")
		}
	}
}

// TestNoByteOfASignedFrameCanChange flips every bit of signed frames.
func TestNoByteOfASignedFrameCanChange(t *testing.T) {
	t.Parallel()
	r, c := ring(t), codec(t, 1<<20)
	open := map[wire.Type]func([]byte) error{
		wire.TypeBatch:      func(b []byte) error { _, err := wire.OpenBatch(b, fed, r, c); return err },
		wire.TypeDifference: func(b []byte) error { _, err := wire.OpenDifference(b, fed, r, c); return err },
		wire.TypeHeartbeat:  func(b []byte) error { _, err := wire.OpenHeartbeat(b, fed, r); return err },
		wire.TypeNotice:     func(b []byte) error { _, err := wire.OpenNotice(b, fed, r); return err },
	}
	for name, f := range frames(t) {
		check, signed := open[f.Type]
		if !signed {
			continue
		}
		for i := range f.Body {
			forged := bytes.Clone(f.Body)
			forged[i] ^= 1
			if check(forged) == nil {
				t.Errorf("%s opens with byte %d changed", name, i)
			}
		}
		if check(f.Body[:len(f.Body)-1]) == nil {
			t.Errorf("%s opens without its last byte", name)
		}
	}
}

func TestOnlyTheRightKeyAndFederationOpen(t *testing.T) {
	t.Parallel()
	c := codec(t, 1<<20)
	for _, s := range []*wire.Signer{wire.NewSigner("fed-2", contentKey(1)), wire.NewSigner(fed, contentKey(2))} {
		if _, err := wire.OpenBatch(s.Batch(batch(), c).Body, fed, ring(t), c); !errors.Is(err, syncer.ErrSignature) {
			t.Errorf("error %v, want ErrSignature", err)
		}
	}
}

func TestReaderRefusesAndSkips(t *testing.T) {
	t.Parallel()
	small := wire.Limits{Message: 100, Bulk: 600 << 10}
	ack := place().Ack()
	long := wire.Frame{Type: wire.TypeSummary, Body: bytes.Repeat([]byte{7}, 600<<10)}
	tests := []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"end", nil, io.EOF},
		{"torn header", []byte{8, 0}, io.ErrUnexpectedEOF},
		{"torn body", ack.Append(nil)[:10], io.ErrUnexpectedEOF},
		{"torn between chunks", long.Append(nil)[:6+wire.ChunkSize], io.ErrUnexpectedEOF},
		{"unknown mandatory type", wire.Frame{Type: 200}.Append(nil), syncer.ErrVersion},
		{"unknown flag", []byte{8, 2, 0, 0, 0, 0}, syncer.ErrVersion},
		{"chunk too long", []byte{10, 0, 0, 4, 0, 1}, syncer.ErrTooLarge},
		{"message too long", wire.Frame{Type: wire.TypeWant, Body: make([]byte, 101)}.Append(nil), syncer.ErrTooLarge},
		{"bulk too long", wire.Frame{Type: wire.TypeBatch, Body: make([]byte, 600<<10+1)}.Append(nil), syncer.ErrTooLarge},
		{"empty chunk that goes on", []byte{10, 1, 0, 0, 0, 0}, syncer.ErrCorrupt},
		{"other frame inside a frame", append(long.Append(nil)[:6+wire.ChunkSize], ack.Append(nil)...), syncer.ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := wire.NewReader(bytes.NewReader(tt.bytes), small, nil).Read()
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, %v; want %v", f, err, tt.want)
			}
		})
	}
	t.Run("optional types are skipped, chunks are joined, life is noted", func(t *testing.T) {
		t.Parallel()
		unknown := wire.Frame{Type: 201, Body: bytes.Repeat([]byte{1}, 700<<10)}
		heard := 0
		in := bytes.NewReader(ack.Append(long.Append(unknown.Append(nil))))
		reader := wire.NewReader(in, small, func() { heard++ })
		first, err := reader.Read()
		if diff := cmp.Diff(long, first); diff != "" || err != nil {
			t.Errorf("first frame, error %v:\n%s", err, diff)
		}
		second, err := reader.Read()
		if diff := cmp.Diff(ack, second); diff != "" || err != nil {
			t.Errorf("second frame, error %v:\n%s", err, diff)
		}
		if heard != 3+3+1 {
			t.Errorf("noted %d signs of life", heard)
		}
	})
}

func TestSizeIsTheEncodedLength(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, wire.ChunkSize, wire.ChunkSize + 1, 3 * wire.ChunkSize} {
		f := wire.Frame{Type: wire.TypeBatch, Body: make([]byte, n)}
		if got := len(f.Append(nil)); got != f.Size() {
			t.Errorf("%d bytes: Size says %d, encoded %d", n, f.Size(), got)
		}
	}
}

func TestFieldsOfTheFuture(t *testing.T) {
	t.Parallel()
	body := hello().Encode().Body
	got, err := wire.DecodeHello(append(bytes.Clone(body), 99, 3, 'n', 'e', 'w'))
	if diff := cmp.Diff(hello(), got); diff != "" || err != nil {
		t.Errorf("optional field, error %v:\n%s", err, diff)
	}
	if _, err := wire.DecodeHello(append(bytes.Clone(body), 98, 0)); !errors.Is(err, syncer.ErrVersion) {
		t.Errorf("mandatory field: %v, want ErrVersion", err)
	}
	future := hello()
	future.Protocol, future.Oldest = 9, 5
	if _, err := wire.DecodeHello(future.Encode().Body); !errors.Is(err, syncer.ErrVersion) {
		t.Errorf("no protocol in common: %v, want ErrVersion", err)
	}
	future.Oldest = 1
	if _, err := wire.DecodeHello(future.Encode().Body); err != nil {
		t.Errorf("a newer peer that still speaks ours: %v", err)
	}
}

func TestPayloadsAreBounded(t *testing.T) {
	t.Parallel()
	big := batch()
	big.Records = []syncer.Record{syncer.NewRecord("all", "k", "bomb", []byte(strings.Repeat("0", 1<<20)))}
	f := signer().Batch(big, codec(t, 2<<20))
	if len(f.Body) > 4<<10 {
		t.Errorf("a megabyte of zeros takes %d bytes", len(f.Body))
	}
	if _, err := wire.OpenBatch(f.Body, fed, ring(t), codec(t, 2<<20)); err != nil {
		t.Errorf("within the limit: %v", err)
	}
	if _, err := wire.OpenBatch(f.Body, fed, ring(t), codec(t, 1<<19)); !errors.Is(err, syncer.ErrTooLarge) {
		t.Errorf("beyond the limit: %v, want ErrTooLarge", err)
	}
}

func TestPositionsThatContradictThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*wire.Batch){
		func(b *wire.Batch) { b.From = 13 },
		func(b *wire.Batch) { b.Head = 11 },
	} {
		b := batch()
		change(&b)
		c := codec(t, 1<<20)
		if _, err := wire.OpenBatch(signer().Batch(b, c).Body, fed, ring(t), c); !errors.Is(err, syncer.ErrCorrupt) {
			t.Errorf("from %d to %d of %d: %v, want ErrCorrupt", b.From, b.To, b.Head, err)
		}
	}
}
