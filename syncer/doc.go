// Package syncer keeps a keyed set of records equal on every member of a
// federation: one primary writes, any number of members follow, each at its own
// pace and across failures of either side.
//
// The package holds the values both sides agree on and the two store interfaces
// that an embedding program satisfies. It knows nothing of what the records
// mean, and it starts nothing: the state machines live in syncer/primary and
// syncer/member, the bytes in syncer/wire, the connection in syncer/session and
// the goroutines in syncer/link.
//
// # Streams
//
// A record belongs to a scope (who gets it) and, through its kind, to a class
// (how soon). The pair is a [Stream]. Every stream is ordered and contiguous on
// its own and every member keeps one [Position] per stream, so class 0 of the
// whole backlog can be delivered before the first record of class 2 without
// leaving a hole in anybody's position. Revisions are drawn from one counter of
// the primary; the numbers of one stream therefore have gaps, which mean nothing:
// contiguity is "this batch starts where I stand".
//
// Streams of one scope are independent. A verdict (class 0) may arrive before
// the list that it refers to (class 1); readers treat a missing target as not
// yet known.
//
// # What a batch proves
//
// A record written again moves to its new revision, so the feed never holds
// history, and only a batch that reaches the head of its stream can name the
// root of the [tree] that a member must end up with. Batches before it carry no
// root; contiguity alone orders them.
//
// # When positions are not enough
//
// A member that stands in another epoch, below the floor of collected
// tombstones, or at the head with another root, compares trees and exchanges
// only what differs. What such a comparison throws away is kept as an orphan and
// offered to the primary, unless collected tombstones explain it; see [Change].
//
// A primary whose store was replaced by a backup opens a new epoch. When nobody
// told it to, the first member that holds a later signed head proves it, see
// [Mark], and the epoch is opened then. Only what the primary has written anew
// before any member returned is beyond that proof: the later word counts.
//
// [tree]: https://en.wikipedia.org/wiki/Merkle_tree
package syncer
