package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/muster-sec/muster/syncer"
)

// Type says which message a frame holds. Odd types may be skipped.
type Type uint8

// The frame types. P and M name who sends it: the primary or the member.
const (
	TypeHello      Type = 2  // both: versions, capabilities, clock
	TypeKeys       Type = 4  // P: chain of content key rotations
	TypeHeartbeat  Type = 6  // P, signed: heads of the streams that the member is entitled to
	TypeWant       Type = 8  // M: send this stream after this position
	TypeBatch      Type = 10 // P, signed: records of a stream
	TypeAck        Type = 12 // M: a position is durable here
	TypeCompare    Type = 14 // M: a node of my tree, please compare
	TypeDifference Type = 16 // P, signed: the answer
	TypePulse      Type = 18 // M: answer to a heartbeat, with clock and positions
	TypeAhead      Type = 20 // M: proof that the primary has lost history
	TypeOrphans    Type = 22 // M: records that a new epoch does not know
	TypeSettled    Type = 24 // P: orphans taken over
	TypeNotice     Type = 26 // P, signed: removal or dissolution
	TypeLeave      Type = 28 // M: goodbye
	TypeSummary    Type = 29 // M, optional: opaque to syncer

	// Outside the feed: enrolment, and the renewal of certificates.
	TypeChallenge Type = 40 // P: nonce of an enrolment
	TypeApply     Type = 42 // M: certificate request under a join token
	TypeGrant     Type = 44 // P: certificate, content key, settings
	TypeRefusal   Type = 46 // P: why not
	TypeRenew     Type = 48 // M: certificate request under the old certificate
)

// Frame is one message in its encoded form.
type Frame struct {
	Type Type
	Body []byte
}

const (
	// ChunkSize is the most that one frame carries.
	ChunkSize = 256 << 10

	headerSize = 6
	flagMore   = 1
)

// Limits bounds what a reader takes into memory.
type Limits struct {
	// Message bounds every message but the bulky ones.
	Message int
	// Bulk bounds messages that carry records or opaque bytes. A record larger
	// than this cannot travel; it is the only size ceiling there is.
	Bulk int
}

// DefaultLimits returns the limits in use unless configured: 1 MiB and 256 MiB.
func DefaultLimits() Limits { return Limits{Message: 1 << 20, Bulk: 256 << 20} }

func (l Limits) of(t Type) int {
	switch t {
	case TypeBatch, TypeDifference, TypeOrphans, TypeSummary:
		return l.Bulk
	default:
		return l.Message
	}
}

func (t Type) known() bool {
	feed := t >= TypeHello && t <= TypeLeave
	enrolment := t >= TypeChallenge && t <= TypeRenew
	return t == TypeSummary || (t%2 == 0 && (feed || enrolment))
}

// Append appends the encoded frame, in chunks if it is long.
func (f Frame) Append(to []byte) []byte {
	body := f.Body
	for {
		chunk, flags := body, byte(0)
		if len(body) > ChunkSize {
			chunk, flags = body[:ChunkSize], flagMore
		}
		to = append(to, byte(f.Type), flags)
		to = binary.BigEndian.AppendUint32(to, uint32(len(chunk)))
		to = append(to, chunk...)
		if body = body[len(chunk):]; len(body) == 0 {
			return to
		}
	}
}

// Size returns the length of the encoded frame.
func (f Frame) Size() int {
	chunks := max(1, (len(f.Body)+ChunkSize-1)/ChunkSize)
	return len(f.Body) + chunks*headerSize
}

// Reader takes frames from a byte stream. It is not safe for concurrent use.
type Reader struct {
	from   io.Reader
	limits Limits
	heard  func()
}

// NewReader returns a reader. heard, unless nil, is called after every chunk, so
// that a long message counts as a sign of life while it arrives.
func NewReader(from io.Reader, limits Limits, heard func()) *Reader {
	if heard == nil {
		heard = func() {}
	}
	return &Reader{from: from, limits: limits, heard: heard}
}

// Read returns the next frame of a known type. It skips odd types that it does
// not know and fails with [syncer.ErrVersion] on even ones, with
// [syncer.ErrTooLarge] beyond a limit, and with [io.EOF] at a clean end.
func (r *Reader) Read() (Frame, error) {
	for {
		var body []byte
		t, size, more, err := r.header()
		if err != nil {
			return Frame{}, err
		}
		for first := t; ; {
			if !t.known() {
				_, err = io.CopyN(io.Discard, r.from, int64(size))
			} else {
				body, err = r.chunk(body, t, size)
			}
			if err != nil {
				return Frame{}, fmt.Errorf("wire: read frame of type %d: %w", t, torn(err))
			}
			r.heard()
			if !more {
				break
			}
			if t, size, more, err = r.header(); err != nil {
				return Frame{}, fmt.Errorf("wire: read rest of frame: %w", torn(err))
			}
			if t != first {
				return Frame{}, fmt.Errorf("wire: frame of type %d inside one of type %d: %w", t, first, syncer.ErrCorrupt)
			}
		}
		if t.known() {
			return Frame{Type: t, Body: body}, nil
		}
	}
}

func (r *Reader) header() (t Type, size int, more bool, err error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r.from, h[:]); err != nil {
		return 0, 0, false, err
	}
	t, length := Type(h[0]), binary.BigEndian.Uint32(h[2:])
	switch {
	case !t.known() && t%2 == 0:
		return 0, 0, false, fmt.Errorf("wire: frame type %d is mandatory and unknown: %w", t, syncer.ErrVersion)
	case h[1]&^flagMore != 0:
		return 0, 0, false, fmt.Errorf("wire: frame flags %#x: %w", h[1], syncer.ErrVersion)
	case length > ChunkSize:
		return 0, 0, false, fmt.Errorf("wire: chunk of %d bytes: %w", length, syncer.ErrTooLarge)
	case h[1] == flagMore && length == 0:
		return 0, 0, false, fmt.Errorf("wire: empty chunk inside a frame: %w", syncer.ErrCorrupt)
	}
	return t, int(length), h[1] == flagMore, nil
}

func (r *Reader) chunk(body []byte, t Type, size int) ([]byte, error) {
	if limit := r.limits.of(t); len(body)+size > limit {
		return nil, fmt.Errorf("more than %d bytes: %w", limit, syncer.ErrTooLarge)
	}
	start := len(body)
	body = append(body, make([]byte, size)...)
	_, err := io.ReadFull(r.from, body[start:])
	return body, err
}

// torn turns an end of stream inside a frame into an error that says so.
func torn(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
