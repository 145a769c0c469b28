package member

import (
	"time"

	"github.com/muster-sec/muster/syncer"
)

// Status is what a machine knows of the link and of its copy.
type Status struct {
	// Heard is when the primary was last heard, Offset its clock minus ours.
	Heard  time.Time
	Offset time.Duration
	// Epoch is the primary's.
	Epoch uint64
	// Product is the primary's release, empty before its hello.
	Product string
	// Streams are in [syncer.Stream.Compare] order.
	Streams []StreamStatus
}

// StreamStatus is how far the copy of one stream has come.
type StreamStatus struct {
	Stream  syncer.Stream
	Applied syncer.Position
	// Head is the primary's, as far as it was heard.
	Head syncer.Head
	// Equal says that position and root are those of Head.
	Equal bool
	// Comparing says that trees are being compared; Ahead that the primary has
	// lost history that this copy has.
	Comparing, Ahead bool
}

// Status returns the state of the machine.
func (m *Machine) Status() Status {
	status := Status{Heard: m.heard, Offset: m.offset, Epoch: m.beat.Epoch}
	if m.hello != nil {
		status.Product = m.hello.Product
	}
	for _, s := range m.sorted() {
		here, there := s.mark.Position, syncer.Position{Epoch: m.beat.Epoch, Revision: max(s.head.Revision, s.moved)}
		if s.head.Revision == 0 && !s.held {
			there.Epoch = here.Epoch
		}
		status.Streams = append(status.Streams, StreamStatus{
			Stream: s.name, Applied: here, Head: s.head, Comparing: s.comparison != nil,
			Ahead: m.ahead(s),
			Equal: here == there && (here.Revision != s.head.Revision || (s.rooted && s.root == s.head.Root)),
		})
	}
	return status
}

// Synced reports whether every stream of the last heartbeat is held completely.
// It is false before the first heartbeat.
func (s Status) Synced() bool {
	for _, stream := range s.Streams {
		if !stream.Equal {
			return false
		}
	}
	return s.Epoch != 0
}
