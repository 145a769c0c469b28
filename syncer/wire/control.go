package wire

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/muster-sec/muster/syncer"
)

// Protocol is the version of the frames and of their order.
const Protocol = 1

// Hello opens both directions of a session.
type Hello struct {
	// Protocol is the sender's [Protocol] and Oldest the oldest it still speaks.
	Protocol, Oldest uint64
	// Federation is the id of the federation.
	Federation string
	// Clock is the sender's time, to the millisecond.
	Clock time.Time
	// Product is the sender's release, for people.
	Product string
	// Capabilities are what the sender can do beyond Protocol.
	Capabilities []string
}

// Encode returns h as a frame.
func (h Hello) Encode() Frame {
	var e encoder
	e.uint(2, h.Protocol)
	e.uint(4, h.Oldest)
	e.string(6, h.Federation)
	e.uint(8, uint64(h.Clock.UnixMilli()))
	e.string(1, h.Product)
	for _, c := range h.Capabilities {
		e.value(3, []byte(c))
	}
	return Frame{Type: TypeHello, Body: e}
}

// DecodeHello reads the body of a hello frame. It fails with
// [syncer.ErrVersion] when the two sides have no protocol in common.
func DecodeHello(body []byte) (h Hello, err error) {
	err = scan("hello", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			h.Protocol = f.uint()
		case 4:
			h.Oldest = f.uint()
		case 6:
			h.Federation = f.string()
		case 8:
			h.Clock = time.UnixMilli(int64(f.uint()))
		case 1:
			h.Product = f.string()
		case 3:
			h.Capabilities = append(h.Capabilities, f.string())
		default:
			return false
		}
		return true
	})
	if err == nil && (h.Oldest > Protocol || h.Protocol < Protocol) {
		err = fmt.Errorf("wire: peer speaks protocols %d to %d, this side %d: upgrade the older side: %w",
			h.Oldest, h.Protocol, Protocol, syncer.ErrVersion)
	}
	return h, err
}

// EncodeKeys returns a chain of rotations as a frame.
func EncodeKeys(chain []syncer.Rotation) Frame {
	var e encoder
	for _, r := range chain {
		var sub encoder
		sub.bytes(2, r.New)
		sub.string(4, string(r.Signer))
		sub.bytes(6, r.Signature)
		e.value(2, sub)
	}
	return Frame{Type: TypeKeys, Body: e}
}

// DecodeKeys reads the body of a keys frame; [syncer.Ring.Accept] judges it.
func DecodeKeys(body []byte) (chain []syncer.Rotation, err error) {
	err = scan("keys", body, func(number uint64, f field) bool {
		if number != 2 {
			return false
		}
		var r syncer.Rotation
		f.check(scan("rotation", f.bytes(), func(number uint64, f field) bool {
			switch number {
			case 2:
				r.New = ed25519.PublicKey(f.bytes())
			case 4:
				r.Signer = syncer.KeyID(f.string())
			case 6:
				r.Signature = f.bytes()
			default:
				return false
			}
			return true
		}))
		chain = append(chain, r)
		return true
	})
	return chain, err
}

// Place is a position in a stream, as Want and Ack frames name it.
type Place struct {
	Stream   syncer.Stream
	Position syncer.Position
	// Floor and Seen are those of the member's mark; only Want frames carry them.
	Floor, Seen uint64
}

func (p Place) encode() []byte {
	var e encoder
	e.string(2, p.Stream.Scope)
	e.uint(4, uint64(p.Stream.Class))
	e.uint(6, p.Position.Epoch)
	e.uint(8, p.Position.Revision)
	e.uint(10, p.Floor)
	e.uint(12, p.Seen)
	return e
}

// Want returns the frame that asks for everything after p.
func (p Place) Want() Frame { return Frame{Type: TypeWant, Body: p.encode()} }

// Ack returns the frame that says that p is durable.
func (p Place) Ack() Frame { return Frame{Type: TypeAck, Body: p.encode()} }

// DecodePlace reads the body of a want or an ack frame.
func DecodePlace(body []byte) (p Place, err error) {
	err = scan("place", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			p.Stream.Scope = f.string()
		case 4:
			p.Stream.Class = f.class()
		case 6:
			p.Position.Epoch = f.uint()
		case 8:
			p.Position.Revision = f.uint()
		case 10:
			p.Floor = f.uint()
		case 12:
			p.Seen = f.uint()
		default:
			return false
		}
		return true
	})
	return p, err
}

// Pulse answers a heartbeat.
type Pulse struct {
	// Clock is the member's time, to the millisecond.
	Clock time.Time
	// Offset is the primary's clock minus the member's, as the member measured it.
	Offset time.Duration
	// Places are the durable positions of all streams that the member holds; they
	// stand in for acks that were lost.
	Places []Place
}

// Encode returns p as a frame.
func (p Pulse) Encode() Frame {
	var e encoder
	e.uint(2, uint64(p.Clock.UnixMilli()))
	for _, place := range p.Places {
		e.value(4, place.encode())
	}
	e.uint(1, zigzag(p.Offset.Milliseconds()))
	return Frame{Type: TypePulse, Body: e}
}

// DecodePulse reads the body of a pulse frame.
func DecodePulse(body []byte) (p Pulse, err error) {
	err = scan("pulse", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			p.Clock = time.UnixMilli(int64(f.uint()))
		case 4:
			place, err := DecodePlace(f.bytes())
			f.check(err)
			p.Places = append(p.Places, place)
		case 1:
			p.Offset = time.Duration(unzigzag(f.uint())) * time.Millisecond
		default:
			return false
		}
		return true
	})
	return p, err
}

// zigzag maps small numbers of either sign to small unsigned ones.
func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// EncodeOrphans returns records that a new epoch does not know as a frame.
func EncodeOrphans(records []syncer.Record) Frame {
	var e encoder
	for _, r := range records {
		var sub encoder
		sub.string(2, r.Scope)
		sub.bytes(4, appendRecords(nil, []syncer.Record{r}))
		e.value(2, sub)
	}
	return Frame{Type: TypeOrphans, Body: e}
}

// DecodeOrphans reads the body of an orphans frame.
func DecodeOrphans(body []byte) (records []syncer.Record, err error) {
	err = scan("orphans", body, func(number uint64, f field) bool {
		if number != 2 {
			return false
		}
		var scope string
		var one []byte
		f.check(scan("orphan", f.bytes(), func(number uint64, f field) bool {
			switch number {
			case 2:
				scope = f.string()
			case 4:
				one = f.bytes()
			default:
				return false
			}
			return true
		}))
		decoded, err := decodeRecords(one, scope)
		f.check(err)
		records = append(records, decoded...)
		return true
	})
	return records, err
}

// EncodeSettled returns the names of orphans that the primary took over as a frame.
func EncodeSettled(orphans []syncer.Orphan) Frame {
	var e encoder
	for _, o := range orphans {
		var sub encoder
		sub.string(2, o.Scope)
		sub.bytes(4, o.Path[:])
		sub.hash(6, o.Hash)
		e.value(2, sub)
	}
	return Frame{Type: TypeSettled, Body: e}
}

// DecodeSettled reads the body of a settled frame.
func DecodeSettled(body []byte) (orphans []syncer.Orphan, err error) {
	err = scan("settled", body, func(number uint64, f field) bool {
		if number != 2 {
			return false
		}
		var o syncer.Orphan
		f.check(scan("orphan", f.bytes(), func(number uint64, f field) bool {
			switch number {
			case 2:
				o.Scope = f.string()
			case 4:
				f.fixed(o.Path[:])
			case 6:
				o.Hash = f.hash()
			default:
				return false
			}
			return true
		}))
		orphans = append(orphans, o)
		return true
	})
	return orphans, err
}
