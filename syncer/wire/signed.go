package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/muster-sec/muster/syncer"
)

// Signer is the primary's content key with the names that go into every header.
type Signer struct {
	federation string
	id         syncer.KeyID
	key        ed25519.PrivateKey
}

// NewSigner returns a signer for a federation.
func NewSigner(federation string, key ed25519.PrivateKey) *Signer {
	return &Signer{federation: federation, id: syncer.KeyIDOf(key.Public().(ed25519.PublicKey)), key: key}
}

// Federation returns the id of the federation that s signs for.
func (s *Signer) Federation() string { return s.federation }

// Verifier checks signatures of content keys; [syncer.Ring] is one.
type Verifier interface {
	Verify(id syncer.KeyID, message, signature []byte) error
}

// Seal is a header with its signature. The header names the sum of the payload,
// so a seal alone is evidence.
type Seal struct {
	Header, Signature []byte
}

// Encode returns the seal as bytes that [DecodeSeal] reads.
func (s Seal) Encode() []byte {
	var e encoder
	e.bytes(2, s.Header)
	e.bytes(4, s.Signature)
	return e
}

// DecodeSeal reads a seal; it says nothing about its truth.
func DecodeSeal(body []byte) (s Seal, err error) {
	err = scan("seal", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			s.Header = f.bytes()
		case 4:
			s.Signature = f.bytes()
		default:
			return false
		}
		return true
	})
	return s, err
}

// origin is the part that all signed headers begin with: fields 2 and 4.
type origin struct {
	federation string
	key        syncer.KeyID
}

func (o *origin) take(number uint64, f field) bool {
	switch number {
	case 2:
		o.federation = f.string()
	case 4:
		o.key = syncer.KeyID(f.string())
	default:
		return false
	}
	return true
}

func (s *Signer) header() encoder {
	var e encoder
	e.string(2, s.federation)
	e.string(4, string(s.id))
	return e
}

func (s *Signer) seal(t Type, header encoder) Seal {
	return Seal{Header: header, Signature: ed25519.Sign(s.key, signedMessage(t, header))}
}

// signedMessage keeps signatures of one type from passing as another's.
func signedMessage(t Type, header []byte) []byte {
	msg := append([]byte("muster signed frame 1\x00"), byte(t))
	return append(msg, header...)
}

// open checks where a signed header comes from. It is called with what was
// decoded from the header, before anything of it is used.
func (s Seal) open(t Type, o origin, federation string, v Verifier) error {
	if o.federation != federation {
		return fmt.Errorf("wire: signed for federation %q, not %q: %w", o.federation, federation, syncer.ErrSignature)
	}
	return v.Verify(o.key, signedMessage(t, s.Header), s.Signature)
}

// sealed is a seal with the payload that its header names.
type sealed struct {
	seal    Seal
	payload []byte
}

func (s sealed) encode() []byte {
	e := make(encoder, 0, len(s.payload)+len(s.seal.Header)+len(s.seal.Signature)+32)
	e.bytes(2, s.seal.Encode())
	e.bytes(4, s.payload)
	return e
}

func decodeSealed(body []byte) (s sealed, err error) {
	err = scan("signed frame", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			var err error
			s.seal, err = DecodeSeal(f.bytes())
			f.check(err)
		case 4:
			s.payload = f.bytes()
		default:
			return false
		}
		return true
	})
	return s, err
}

func (s sealed) checkSum(want syncer.Hash) error {
	if sha256.Sum256(s.payload) != want {
		return fmt.Errorf("wire: payload is not the one that was signed: %w", syncer.ErrSignature)
	}
	return nil
}

// Heartbeat is what the primary says of itself every few seconds, and at once
// when a stream moves.
type Heartbeat struct {
	// Epoch is the primary's current epoch.
	Epoch uint64
	// Time is the primary's clock, to the millisecond.
	Time time.Time
	// Interval is how often heartbeats come; silence of several intervals means
	// that the link is dead.
	Interval time.Duration
	// Entitled is what the member receives; it forgets whatever else it holds.
	Entitled syncer.Entitlement
	// Heads are those of all streams that the member is entitled to.
	Heads []syncer.Head
}

// Heartbeat signs h.
func (s *Signer) Heartbeat(h Heartbeat) Frame {
	e := s.header()
	e.uint(6, h.Epoch)
	e.uint(8, uint64(h.Time.UnixMilli()))
	e.uint(10, uint64(h.Interval/time.Millisecond))
	for _, scope := range h.Entitled.Scopes {
		e.value(12, []byte(scope))
	}
	e.bool(16, h.Entitled.All)
	for _, head := range h.Heads {
		var sub encoder
		sub.string(2, head.Stream.Scope)
		sub.uint(4, uint64(head.Stream.Class))
		sub.uint(6, head.Revision)
		sub.uint(8, head.Floor)
		sub.hash(10, head.Root)
		e.value(14, sub)
	}
	return Frame{Type: TypeHeartbeat, Body: s.seal(TypeHeartbeat, e).Encode()}
}

// OpenHeartbeat verifies and decodes the body of a heartbeat frame.
func OpenHeartbeat(body []byte, federation string, v Verifier) (h Heartbeat, err error) {
	seal, err := DecodeSeal(body)
	if err != nil {
		return h, err
	}
	var from origin
	err = scan("heartbeat", seal.Header, func(number uint64, f field) bool {
		switch number {
		case 6:
			h.Epoch = f.uint()
		case 8:
			h.Time = time.UnixMilli(int64(f.uint()))
		case 10:
			h.Interval = time.Duration(f.uint()) * time.Millisecond
		case 12:
			h.Entitled.Scopes = append(h.Entitled.Scopes, f.string())
		case 14:
			head, err := decodeHead(f.bytes())
			f.check(err)
			h.Heads = append(h.Heads, head)
		case 16:
			h.Entitled.All = f.bool()
		default:
			return from.take(number, f)
		}
		return true
	})
	if err == nil {
		err = seal.open(TypeHeartbeat, from, federation, v)
	}
	return h, err
}

func decodeHead(body []byte) (h syncer.Head, err error) {
	err = scan("head", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			h.Stream.Scope = f.string()
		case 4:
			h.Stream.Class = f.class()
		case 6:
			h.Revision = f.uint()
		case 8:
			h.Floor = f.uint()
		case 10:
			h.Root = f.hash()
		default:
			return false
		}
		return true
	})
	return h, err
}

// Notice tells a member that its membership is over.
type Notice struct {
	// Member is the id of the member that the notice is for.
	Member string
	// Code is the machine's reason: "removed" or "demoted".
	Code string
	// Reason is for people.
	Reason string
	// Time is the primary's clock, to the millisecond.
	Time time.Time
}

// Notice signs n.
func (s *Signer) Notice(n Notice) Frame {
	e := s.header()
	e.string(6, n.Member)
	e.string(8, n.Code)
	e.string(10, n.Reason)
	e.uint(12, uint64(n.Time.UnixMilli()))
	return Frame{Type: TypeNotice, Body: s.seal(TypeNotice, e).Encode()}
}

// OpenNotice verifies and decodes the body of a notice frame.
func OpenNotice(body []byte, federation string, v Verifier) (n Notice, err error) {
	seal, err := DecodeSeal(body)
	if err != nil {
		return n, err
	}
	var from origin
	err = scan("notice", seal.Header, func(number uint64, f field) bool {
		switch number {
		case 6:
			n.Member = f.string()
		case 8:
			n.Code = f.string()
		case 10:
			n.Reason = f.string()
		case 12:
			n.Time = time.UnixMilli(int64(f.uint()))
		default:
			return from.take(number, f)
		}
		return true
	})
	if err == nil {
		err = seal.open(TypeNotice, from, federation, v)
	}
	return n, err
}

// Evidence is a seal with the type of frame that it was made for: the proof of a
// head, of which the primary may have lost all memory.
type Evidence struct {
	Type Type
	Seal Seal
}

// Encode returns the evidence as bytes; they are the body of an ahead frame.
func (ev Evidence) Encode() []byte {
	var e encoder
	e.uint(2, uint64(ev.Type))
	e.bytes(4, ev.Seal.Encode())
	return e
}

// OpenEvidence verifies evidence and returns the head that it proves.
func OpenEvidence(body []byte, federation string, v Verifier) (p Place, err error) {
	var ev Evidence
	err = scan("evidence", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			ev.Type = Type(f.uint())
		case 4:
			seal, err := DecodeSeal(f.bytes())
			f.check(err)
			ev.Seal = seal
		default:
			return false
		}
		return true
	})
	if err != nil {
		return p, err
	}
	switch ev.Type {
	case TypeBatch:
		b, _, _, err := openBatchHeader(ev.Seal, federation, v)
		return Place{Stream: b.Stream, Position: syncer.Position{Epoch: b.Epoch, Revision: b.Head}}, err
	case TypeDifference:
		d, _, err := openDifferenceHeader(ev.Seal, federation, v)
		return Place{Stream: d.Stream, Position: syncer.Position{Epoch: d.Epoch, Revision: d.Head}}, err
	}
	return p, fmt.Errorf("wire: evidence of type %d: %w", ev.Type, syncer.ErrCorrupt)
}
