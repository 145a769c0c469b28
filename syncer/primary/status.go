package primary

import (
	"slices"
	"time"

	"github.com/muster-sec/muster/syncer"
)

// Status is what a peer knows of its member.
type Status struct {
	// Heard is when the member was last heard, Offset its clock minus ours.
	Heard  time.Time
	Offset time.Duration
	// Greeted says that the member's hello is in. Product is its release,
	// Capabilities are what it said it can do.
	Greeted      bool
	Product      string
	Capabilities []string
	// InFlight is the number of bytes sent and not yet acknowledged.
	InFlight int
	// Streams are in [syncer.Stream.Compare] order.
	Streams []StreamStatus
}

// StreamStatus is how far the member has come in one stream.
type StreamStatus struct {
	Head  syncer.Head
	Acked syncer.Position
}

// Lag returns the number of revisions between head and member.
func (s StreamStatus) Lag() uint64 {
	if s.Acked.Revision >= s.Head.Revision {
		return 0
	}
	return s.Head.Revision - s.Acked.Revision
}

// Synced reports whether the member has acknowledged every head in this epoch.
func (s Status) Synced(epoch uint64) bool {
	behind := func(st StreamStatus) bool {
		return st.Head.Revision > 0 && st.Acked != syncer.Position{Epoch: epoch, Revision: st.Head.Revision}
	}
	return s.Greeted && !slices.ContainsFunc(s.Streams, behind)
}

// Status returns the state of the peer.
func (p *Peer) Status() Status {
	s := Status{Heard: p.heard, Offset: p.offset, InFlight: p.inFlight}
	if p.hello != nil {
		s.Greeted, s.Product, s.Capabilities = true, p.hello.Product, p.hello.Capabilities
	}
	for _, f := range p.flows {
		s.Streams = append(s.Streams, StreamStatus{
			Head: f.head, Acked: syncer.Position{Epoch: f.epoch, Revision: f.acked},
		})
	}
	slices.SortFunc(s.Streams, func(a, b StreamStatus) int { return a.Head.Stream.Compare(b.Head.Stream) })
	return s
}
