package syncer

import "context"

// PrimaryStore is what the sending side reads. Writing is not part of it: the
// embedding program changes records inside its own transactions, where it draws
// the next revision, moves the record to it and calls [UpdateTree].
//
// Implementations are safe for concurrent use. syncer/storetest holds them to
// what is written here.
type PrimaryStore interface {
	// Heads returns the current epoch and the head of every stream that ever held
	// a record, in [Stream.Compare] order, all of one moment.
	Heads(ctx context.Context) (epoch uint64, heads []Head, err error)

	// View calls read with a consistent picture of one stream. The view is
	// invalid after read returns; the error of read is returned as it is. A stream
	// that never held a record shows a zero head.
	View(ctx context.Context, stream Stream, read func(View) error) error

	// OpenEpoch starts a new epoch greater than the current one and greater than
	// above, and returns it. It is called when a member proves that this primary
	// has lost history, and by whoever restores a backup. Revisions go on counting.
	OpenEpoch(ctx context.Context, above uint64) (uint64, error)
}

// View is one stream of a [PrimaryStore] at one moment.
type View interface {
	// Epoch returns the epoch of the moment.
	Epoch() uint64
	// Head returns the head of the stream.
	Head() Head
	// After returns records and tombstones with a revision greater than the given
	// one, ascending, until limit; more says that the limit ended the read.
	After(revision uint64, limit Limit) (records []Record, more bool, err error)
	// Node returns the body of the tree node at prefix, nil when there is none.
	Node(prefix Prefix) ([]byte, error)
	// Record returns the live record at path; ok is false when there is none.
	Record(path Path) (record Record, ok bool, err error)
}

// MemberStore is where the receiving side keeps its copy. Calls for one store
// come from one goroutine at a time. syncer/storetest holds implementations to
// what is written here.
type MemberStore interface {
	// State returns what a member resumes from after a restart.
	State(ctx context.Context) (MemberState, error)

	// Apply commits the change in one transaction, all or nothing, and returns
	// the root of the stream's tree afterwards. When Apply returns without an
	// error the change survives a crash.
	Apply(ctx context.Context, change Change) (root Hash, err error)

	// Node returns the body of the tree node of stream at prefix, nil when there
	// is none.
	Node(ctx context.Context, stream Stream, prefix Prefix) ([]byte, error)

	// Orphans returns records that [Change.KeepOrphans] set aside and that nobody
	// settled yet, in a stable order, until limit.
	Orphans(ctx context.Context, limit Limit) ([]Record, error)
}

// MemberState is what a member knows when it starts.
type MemberState struct {
	// Marks holds one mark per stream that the member holds anything of.
	Marks []Mark
	// Rotations are all key rotations accepted so far, oldest first.
	Rotations []Rotation
}

// Mark is how far a member has come in one stream, with the evidence.
type Mark struct {
	Stream   Stream
	Position Position
	// Floor is the floor of the stream when the member began to fill an empty copy:
	// deletions up to it need no tombstone here. See [Head.Missed].
	Floor uint64
	// Seen is the head at which the primary had read the latest answer applied
	// here. Answers read before it are not accepted any more: they could bring back
	// what is known to be old.
	Seen uint64
	// Seal is the signed header of the answer that named Seen. With it the member
	// proves to a primary restored from a backup that it has lost history.
	Seal []byte
}

// Change is one transaction of a [MemberStore]. Its parts are applied in the
// order of the fields; a zero part does nothing.
type Change struct {
	// Stream is what the change is about.
	Stream Stream
	// Drop removes every record, the tree and the mark of the stream: the member
	// is no longer entitled to it.
	Drop bool
	// Replace, when not nil, removes every record under its prefix that it does
	// not name.
	Replace *Range
	// Put writes each record over whatever is at its path, or removes it when the
	// record is a tombstone. Members keep no tombstones.
	Put []Record
	// KeepOrphans sets aside every live record that Replace removes or Put
	// overwrites with other content: where trees differ for no known reason, or
	// after a change of epoch, they may be all that is left of what the primary
	// once said.
	KeepOrphans bool
	// Mark, when not nil, becomes the mark of the stream.
	Mark *Mark
	// Rotations are appended to the accepted key rotations.
	Rotations []Rotation
	// Settled names orphans that the primary has taken over; they are forgotten.
	Settled []Orphan
}

// Range names the complete content of a part of a tree.
type Range struct {
	// Prefix bounds the part; the empty prefix is the whole tree.
	Prefix Prefix
	// Keep holds the paths that stay, ascending.
	Keep []Path
}

// Orphan identifies one record that was set aside.
type Orphan struct {
	Scope string
	Path  Path
	Hash  Hash
}

// Orphan returns the name under which r is settled once it was set aside.
func (r Record) Orphan() Orphan { return Orphan{Scope: r.Scope, Path: r.Path(), Hash: r.Hash} }
