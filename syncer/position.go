package syncer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Class is the order of importance of a stream; a smaller class is sent first.
type Class uint8

// LastClass is the class of kinds that nobody ranked.
const LastClass Class = 255

// Priority ranks kinds. Kinds that it does not name are of [LastClass].
//
// The primary alone decides: members take the class from what they receive. To
// move a kind to another class, write tombstones into the old stream and the
// records into the new one, in one transaction.
type Priority map[string]Class

// Class returns the class of kind.
func (p Priority) Class(kind string) Class {
	if c, ok := p[kind]; ok {
		return c
	}
	return LastClass
}

// Stream returns the stream of records of this kind in scope.
func (p Priority) Stream(scope, kind string) Stream {
	return Stream{Scope: scope, Class: p.Class(kind)}
}

// Stream is one ordered, contiguous part of the feed.
type Stream struct {
	Scope string
	Class Class
}

// String returns the stream as scope/class.
func (s Stream) String() string { return fmt.Sprintf("%s/%d", s.Scope, s.Class) }

// Compare orders streams by importance, then by scope.
func (s Stream) Compare(other Stream) int {
	return cmp.Or(cmp.Compare(s.Class, other.Class), strings.Compare(s.Scope, other.Scope))
}

// Position says how much of a stream somebody holds: every change up to Revision
// as numbered in Epoch. The zero Position holds nothing.
type Position struct {
	// Epoch names one unbroken history of the primary. A later epoch has a greater number.
	Epoch uint64
	// Revision is the last change included.
	Revision uint64
}

// IsZero reports whether p holds nothing.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the position as epoch.revision.
func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Epoch, p.Revision) }

// Compare orders positions by epoch, then by revision.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Epoch, other.Epoch), cmp.Compare(p.Revision, other.Revision))
}

// Head is the state of one stream on the primary at one moment.
type Head struct {
	Stream Stream
	// Revision is the number of the last change of the stream. It never falls
	// within an epoch, not even when the tombstone that carried it is collected.
	Revision uint64
	// Floor is the greatest revision of a collected tombstone. Whoever stood below
	// it when it rose may have missed a deletion and must compare trees.
	Floor uint64
	// Root is the hash of the tree of all live records; zero when there are none.
	Root Hash
}

// Missed reports whether a member that stands at revision, and began when the
// floor was began, may have missed a deletion whose tombstone is collected.
func (h Head) Missed(revision, began uint64) bool { return h.Floor > max(revision, began) }

// Limit bounds one read. A read returns at least one record if there is one,
// however large it is.
type Limit struct {
	// Records and Bytes end a read when either is reached; see [Record.Size].
	Records, Bytes int
}

// Full reports whether a read that already holds records of this many bytes is
// to end before it takes another of size next.
func (l Limit) Full(records, bytes, next int) bool {
	return records > 0 && (records >= l.Records || bytes+next > l.Bytes)
}

// Entitlement says which scopes a member receives.
type Entitlement struct {
	// All entitles to every scope, also to those that do not exist yet.
	All bool
	// Scopes are those that the member receives when All is false.
	Scopes []string
}

// Allows reports whether a member with e receives scope.
func (e Entitlement) Allows(scope string) bool { return e.All || slices.Contains(e.Scopes, scope) }

// Equal reports whether e and other entitle to the same.
func (e Entitlement) Equal(other Entitlement) bool {
	return e.All == other.All && slices.Equal(e.Scopes, other.Scopes)
}
