package primary

import (
	"context"
	"fmt"
	"slices"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

// Sealed is a signed batch with what a [Peer] needs to know of it.
type Sealed struct {
	Frame wire.Frame
	Epoch uint64
	// To is where the batch ends, Head the state of the stream when it was read.
	To   uint64
	Head syncer.Head
}

// Sealer reads the feed and signs what it reads. It is safe for concurrent use.
type Sealer struct {
	store  syncer.PrimaryStore
	signer *wire.Signer
	codec  *wire.Codec
	limit  syncer.Limit
}

// NewSealer returns a sealer whose batches hold at most limit; a record larger
// than that travels alone.
func NewSealer(store syncer.PrimaryStore, signer *wire.Signer, codec *wire.Codec, limit syncer.Limit) *Sealer {
	return &Sealer{store: store, signer: signer, codec: codec, limit: limit}
}

// Batch reads and signs what follows a revision. At the head the batch is empty.
func (s *Sealer) Batch(ctx context.Context, stream syncer.Stream, after uint64) (Sealed, error) {
	var (
		b    wire.Batch
		head syncer.Head
	)
	err := s.store.View(ctx, stream, func(v syncer.View) error {
		records, more, err := v.After(after, s.limit)
		if err != nil {
			return err
		}
		head = v.Head()
		b = wire.Batch{
			Stream: stream, Epoch: v.Epoch(), From: after, To: head.Revision,
			Head: head.Revision, Floor: head.Floor, Root: head.Root, Records: records,
		}
		if more {
			b.To, b.Root = records[len(records)-1].Revision, syncer.Hash{}
		}
		return nil
	})
	if err != nil {
		return Sealed{}, fmt.Errorf("primary: read %s after %d: %w", stream, after, err)
	}
	b.To = max(b.To, after) // the feed may have been restored below what was asked
	b.Head = max(b.Head, b.To)
	return Sealed{Frame: s.signer.Batch(b, s.codec), Epoch: b.Epoch, To: b.To, Head: head}, nil
}

// Heartbeat signs a heartbeat. Of its heads only those are told to which it
// entitles.
func (s *Sealer) Heartbeat(h wire.Heartbeat) wire.Frame {
	h.Heads = slices.DeleteFunc(slices.Clone(h.Heads), func(head syncer.Head) bool {
		return !h.Entitled.Allows(head.Stream.Scope)
	})
	return s.signer.Heartbeat(h)
}

// Notice signs the notice that a membership is over.
func (s *Sealer) Notice(n wire.Notice) wire.Frame { return s.signer.Notice(n) }

// Difference compares a node of a member's tree with the feed's and signs the
// answer.
func (s *Sealer) Difference(ctx context.Context, q wire.Compare) (wire.Frame, error) {
	d := wire.Difference{Stream: q.Stream, Challenge: q.Challenge, Prefix: q.Prefix, Asked: q.Node.Hash()}
	err := s.store.View(ctx, q.Stream, func(v syncer.View) error {
		d.Epoch, d.Head = v.Epoch(), v.Head().Revision
		mine, err := syncer.NodeAt(v.Node, q.Prefix)
		switch {
		case err != nil:
			return err
		case mine.Hash() == d.Asked:
			d.Equal = true
			return nil
		case mine.Inner():
			d.Children = syncer.Differing(q.Prefix, mine, q.Node)
			return nil
		}
		return s.fillLeaf(&d, v, mine, q.Node)
	})
	if err != nil {
		return wire.Frame{}, fmt.Errorf("primary: compare %s at %q: %w", q.Stream, q.Prefix, err)
	}
	return s.signer.Difference(d, s.codec), nil
}

// fillLeaf names all that the feed holds at a leaf and adds what the member lacks.
// An inner node tells nothing of its entries, so all of the leaf is added then.
func (s *Sealer) fillLeaf(d *wire.Difference, v syncer.View, mine, theirs syncer.Node) error {
	held := make(map[syncer.Entry]bool, len(theirs.Entries))
	for _, e := range theirs.Entries {
		held[e] = true
	}
	d.Leaf = true
	bytes := 0
	for _, e := range mine.Entries {
		d.Keep = append(d.Keep, e.Path)
		if held[e] || d.More {
			continue
		}
		r, ok, err := v.Record(e.Path)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("tree names %s, which is not in the feed: %w", e.Path, syncer.ErrCorrupt)
		}
		if s.limit.Full(len(d.Records), bytes, r.Size()) {
			d.More = true
			continue
		}
		d.Records, bytes = append(d.Records, r), bytes+r.Size()
	}
	return nil
}
