// Package storetest is the conformance suite of the syncer stores. Whatever
// stores feeds or copies of them runs it in its own tests.
package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-sec/muster/syncer"
)

// Feed is a primary's store with the writing side that its owner has anyway.
type Feed interface {
	syncer.PrimaryStore
	// Write makes each record or tombstone the latest change of its key, all in
	// one transaction, and returns the last revision given.
	Write(ctx context.Context, records ...syncer.Record) (uint64, error)
	// Collect forgets the tombstones with a revision of at most upTo.
	Collect(ctx context.Context, upTo uint64) error
}

// Priority ranks the kinds that the suite writes; a Feed under test uses it.
func Priority() syncer.Priority { return syncer.Priority{"rule": 0, "list": 1} }

func rules() syncer.Stream { return Priority().Stream("all", "rule") }

// wide is a limit that no read of the suite reaches.
func wide() syncer.Limit { return syncer.Limit{Records: 1 << 20, Bytes: 1 << 30} }

func rule(i int, text string) syncer.Record {
	return syncer.NewRecord("all", "rule", fmt.Sprintf("rule-%04d", i), []byte(text))
}

// Primary runs the suite for primary stores; open returns an empty one.
func Primary(t *testing.T, open func(t *testing.T) Feed) {
	t.Helper()
	tests := []struct {
		name string
		run  func(*testing.T, Feed)
	}{
		{"an unknown stream is empty", primaryUnknown},
		{"a record written again moves", primaryMoves},
		{"reads are bounded and contiguous", primaryPages},
		{"streams are apart", primaryStreams},
		{"a deletion is a tombstone until collected", primaryTombstones},
		{"the root is that of the live set", primaryRoot},
		{"a view does not change under its reader", primaryView},
		{"an epoch is above all others", primaryEpoch},
		{"an error of the reader comes back", primaryReadError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func write(t *testing.T, f Feed, records ...syncer.Record) uint64 {
	t.Helper()
	revision, err := f.Write(t.Context(), records...)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return revision
}

func view(t *testing.T, f Feed, s syncer.Stream, read func(syncer.View)) {
	t.Helper()
	err := f.View(t.Context(), s, func(v syncer.View) error {
		read(v)
		return nil
	})
	if err != nil {
		t.Fatalf("view of %s: %v", s, err)
	}
}

func after(t *testing.T, f Feed, s syncer.Stream, revision uint64, limit syncer.Limit) (keys []string, more bool) {
	t.Helper()
	view(t, f, s, func(v syncer.View) {
		records, m, err := v.After(revision, limit)
		if err != nil {
			t.Fatalf("read after %d: %v", revision, err)
		}
		last := revision
		for _, r := range records {
			if r.Revision <= last {
				t.Errorf("revision %d comes after %d", r.Revision, last)
			}
			if err := r.Verify(); err != nil {
				t.Error(err)
			}
			last, more = r.Revision, m
			keys = append(keys, r.Key)
		}
	})
	return keys, more
}

func head(t *testing.T, f Feed, s syncer.Stream) syncer.Head {
	t.Helper()
	_, heads, err := f.Heads(t.Context())
	if err != nil {
		t.Fatalf("heads: %v", err)
	}
	for i, h := range heads {
		if i > 0 && heads[i-1].Stream.Compare(h.Stream) >= 0 {
			t.Errorf("heads are out of order: %s before %s", heads[i-1].Stream, h.Stream)
		}
		if h.Stream == s {
			view(t, f, s, func(v syncer.View) {
				if diff := cmp.Diff(h, v.Head()); diff != "" {
					t.Errorf("Heads and View disagree (-heads +view):\n%s", diff)
				}
			})
			return h
		}
	}
	return syncer.Head{Stream: s}
}

func primaryUnknown(t *testing.T, f Feed) {
	if _, heads, err := f.Heads(t.Context()); err != nil || len(heads) != 0 {
		t.Errorf("heads of an empty feed: %v, %v", heads, err)
	}
	view(t, f, rules(), func(v syncer.View) {
		if diff := cmp.Diff(syncer.Head{Stream: rules()}, v.Head()); diff != "" {
			t.Errorf("head (-want +got):\n%s", diff)
		}
		if body, err := v.Node(""); body != nil || err != nil {
			t.Errorf("root node %x, %v", body, err)
		}
	})
	if keys, more := after(t, f, rules(), 0, wide()); len(keys) != 0 || more {
		t.Errorf("read %v, more %v", keys, more)
	}
}

func primaryMoves(t *testing.T, f Feed) {
	write(t, f, rule(1, "a"), rule(2, "a"))
	last := write(t, f, rule(1, "b"))
	keys, _ := after(t, f, rules(), 0, wide())
	if diff := cmp.Diff([]string{"rule-0002", "rule-0001"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if got := head(t, f, rules()).Revision; got != last {
		t.Errorf("head at %d, want %d", got, last)
	}
	view(t, f, rules(), func(v syncer.View) {
		got, ok, err := v.Record(syncer.PathOf("rule", "rule-0001"))
		want := rule(1, "b")
		want.Revision = last
		if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
			t.Errorf("record found %v, error %v (-want +got):\n%s", ok, err, diff)
		}
		if _, ok, err := v.Record(syncer.PathOf("rule", "none")); ok || err != nil {
			t.Errorf("record that is not there: found %v, error %v", ok, err)
		}
	})
}

func primaryPages(t *testing.T, f Feed) {
	var want []string
	for i := range 25 {
		want = append(want, rule(i, "x").Key)
		write(t, f, rule(i, "x"))
	}
	limits := []syncer.Limit{
		{Records: 1, Bytes: 1 << 20}, {Records: 7, Bytes: 1 << 20}, {Records: 1 << 20, Bytes: 1}, {Records: 1 << 20, Bytes: 200},
	}
	for _, limit := range limits {
		var got []string
		for from, more := uint64(0), true; more; {
			view(t, f, rules(), func(v syncer.View) {
				page, m, err := v.After(from, limit)
				if err != nil || len(page) == 0 || len(page) > limit.Records {
					t.Fatalf("limit %+v: %d records, error %v", limit, len(page), err)
				}
				for _, r := range page {
					got = append(got, r.Key)
				}
				from, more = page[len(page)-1].Revision, m
			})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %+v (-want +got):\n%s", limit, diff)
		}
	}
}

func primaryStreams(t *testing.T, f Feed) {
	write(t, f, rule(1, "x"), syncer.NewRecord("all", "list", "l", nil), syncer.NewRecord("lab", "rule", "r", nil))
	before := head(t, f, rules())
	write(t, f, syncer.NewRecord("lab", "rule", "r", []byte("2")), syncer.NewRecord("all", "other", "o", nil))
	if diff := cmp.Diff(before, head(t, f, rules())); diff != "" {
		t.Errorf("a write to other streams moved this one (-before +after):\n%s", diff)
	}
	for stream, want := range map[syncer.Stream]string{
		{Scope: "all", Class: 1}:                "l",
		{Scope: "lab", Class: 0}:                "r",
		{Scope: "all", Class: syncer.LastClass}: "o",
	} {
		if keys, _ := after(t, f, stream, 0, wide()); !cmp.Equal(keys, []string{want}) {
			t.Errorf("stream %s holds %v, want %s", stream, keys, want)
		}
	}
}

func primaryTombstones(t *testing.T, f Feed) {
	write(t, f, rule(1, "x"), rule(2, "x"))
	gone := write(t, f, syncer.Tombstone("all", "rule", "rule-0001"))
	view(t, f, rules(), func(v syncer.View) {
		records, _, err := v.After(gone-1, wide())
		if err != nil || len(records) != 1 || !records[0].Deleted() || len(records[0].Payload) != 0 {
			t.Errorf("want one tombstone, got %+v, %v", records, err)
		}
		if _, ok, err := v.Record(syncer.PathOf("rule", "rule-0001")); ok || err != nil {
			t.Errorf("deleted record: found %v, error %v", ok, err)
		}
	})
	if h := head(t, f, rules()); h.Floor != 0 || h.Revision != gone {
		t.Errorf("head before collecting: %+v", h)
	}
	if err := f.Collect(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if h := head(t, f, rules()); h.Floor != gone || h.Revision != gone {
		t.Errorf("after collecting revision %d the head is %+v", gone, h)
	}
	if keys, _ := after(t, f, rules(), 0, wide()); !cmp.Equal(keys, []string{"rule-0002"}) {
		t.Errorf("left over: %v", keys)
	}
	if again := write(t, f, rule(1, "y")); again <= gone {
		t.Errorf("revision %d was given after %d", again, gone)
	}
}

func primaryRoot(t *testing.T, f Feed) {
	want := newTree()
	for i := range 300 {
		write(t, f, rule(i, "x"))
		want.set(t, rule(i, "x").Entry())
	}
	write(t, f, rule(7, "y"), syncer.Tombstone("all", "rule", "rule-0008"), rule(9, "y"), rule(9, "z"))
	want.set(t, rule(7, "y").Entry(), syncer.Tombstone("all", "rule", "rule-0008").Entry(), rule(9, "z").Entry())
	if got := head(t, f, rules()).Root; got != want.root {
		t.Errorf("root %s, want %s", got, want.root)
	}
	view(t, f, rules(), func(v syncer.View) {
		for prefix, body := range want.bodies {
			got, err := v.Node(prefix)
			if diff := cmp.Diff(body, got); diff != "" || err != nil {
				t.Errorf("node %q, error %v (-want +got):\n%s", prefix, err, diff)
			}
		}
	})
}

// primaryView writes while a view is open. A store may make the writer wait or
// keep the old picture for the reader, but it must not let the reader see half.
func primaryView(t *testing.T, f Feed) {
	write(t, f, rule(1, "a"))
	written := make(chan error, 1)
	view(t, f, rules(), func(v syncer.View) {
		first := v.Head()
		go func() {
			_, err := f.Write(context.WithoutCancel(t.Context()), rule(2, "b"))
			written <- err
		}()
		for range 50 {
			records, _, err := v.After(0, wide())
			if err != nil || len(records) != 1 {
				t.Errorf("%d records in the view, error %v", len(records), err)
			}
			if diff := cmp.Diff(first, v.Head(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("head changed (-first +now):\n%s", diff)
			}
		}
	})
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if keys, _ := after(t, f, rules(), 0, wide()); len(keys) != 2 {
		t.Errorf("after the write: %v", keys)
	}
}

func primaryEpoch(t *testing.T, f Feed) {
	last := write(t, f, rule(1, "a"))
	before := head(t, f, rules())
	first, _, err := f.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.OpenEpoch(t.Context(), 0)
	if err != nil || second <= first {
		t.Errorf("epoch %d after %d, error %v", second, first, err)
	}
	third, err := f.OpenEpoch(t.Context(), second+1000)
	if err != nil || third <= second+1000 {
		t.Errorf("epoch %d is not above %d, error %v", third, second+1000, err)
	}
	now, _, err := f.Heads(t.Context())
	if err != nil || now != third {
		t.Errorf("current epoch is %d, want %d, error %v", now, third, err)
	}
	view(t, f, rules(), func(v syncer.View) {
		if v.Epoch() != third {
			t.Errorf("view shows epoch %d, want %d", v.Epoch(), third)
		}
	})
	if diff := cmp.Diff(before, head(t, f, rules())); diff != "" {
		t.Errorf("a new epoch changed the head (-before +after):\n%s", diff)
	}
	if again := write(t, f, rule(1, "b")); again <= last {
		t.Errorf("revision %d follows %d", again, last)
	}
}

func primaryReadError(t *testing.T, f Feed) {
	want := fmt.Errorf("reader gives up: %w", syncer.ErrCorrupt)
	if got := f.View(t.Context(), rules(), func(syncer.View) error { return want }); got == nil || got.Error() != want.Error() {
		t.Errorf("error %v, want %v", got, want)
	}
}
