package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/muster-sec/muster/syncer"
)

// Batch is a contiguous piece of one stream.
type Batch struct {
	Stream syncer.Stream
	Epoch  uint64
	// From and To bound the piece: every change with From < revision <= To that
	// was not overtaken by a later one is in it.
	From, To uint64
	// Head is the head of the stream when the batch was read. A batch with To ==
	// Head is final: after it a member's tree has the root Root. Others name none.
	Head uint64
	Root syncer.Hash
	// Floor is the floor of the stream at that moment.
	Floor uint64
	// Records are in revision order; Scope is that of the stream.
	Records []syncer.Record
	// Seal is the evidence under which the batch was opened.
	Seal Seal
}

// Final reports whether the batch reaches the head.
func (b Batch) Final() bool { return b.To == b.Head }

// Batch encodes and signs b. Its Seal is ignored.
func (s *Signer) Batch(b Batch, c *Codec) Frame {
	packed := c.pack(appendRecords(nil, b.Records))
	e := s.header()
	e.string(6, b.Stream.Scope)
	e.uint(8, uint64(b.Stream.Class))
	e.uint(10, b.Epoch)
	e.uint(12, b.From)
	e.uint(14, b.To)
	e.uint(16, b.Head)
	e.hash(18, b.Root)
	e.uint(20, uint64(len(b.Records)))
	e.uint(22, b.Floor)
	packed.describe(&e)
	body := sealed{seal: s.seal(TypeBatch, e), payload: packed.bytes}.encode()
	return Frame{Type: TypeBatch, Body: body}
}

// OpenBatch verifies the body of a batch frame, then unpacks it.
func OpenBatch(body []byte, federation string, v Verifier, c *Codec) (Batch, error) {
	signed, err := decodeSealed(body)
	if err != nil {
		return Batch{}, err
	}
	b, packed, count, err := openBatchHeader(signed.seal, federation, v)
	if err != nil {
		return Batch{}, err
	}
	packed.bytes = signed.payload
	if err := signed.checkSum(packed.sum); err != nil {
		return Batch{}, err
	}
	raw, err := c.unpack(packed)
	if err != nil {
		return Batch{}, err
	}
	if b.Records, err = decodeRecords(raw, b.Stream.Scope); err != nil {
		return Batch{}, err
	}
	if uint64(len(b.Records)) != count || b.From > b.To || b.To > b.Head {
		return Batch{}, fmt.Errorf("wire: batch of %d records from %d to %d contradicts itself: %w",
			len(b.Records), b.From, b.To, syncer.ErrCorrupt)
	}
	return b, nil
}

func openBatchHeader(seal Seal, federation string, v Verifier) (b Batch, p packed, count uint64, err error) {
	var from origin
	b.Seal = seal
	err = scan("batch", seal.Header, func(number uint64, f field) bool {
		switch number {
		case 6:
			b.Stream.Scope = f.string()
		case 8:
			b.Stream.Class = f.class()
		case 10:
			b.Epoch = f.uint()
		case 12:
			b.From = f.uint()
		case 14:
			b.To = f.uint()
		case 16:
			b.Head = f.uint()
		case 18:
			b.Root = f.hash()
		case 20:
			count = f.uint()
		case 22:
			b.Floor = f.uint()
		default:
			return p.take(number, f) || from.take(number, f)
		}
		return true
	})
	if err == nil {
		err = seal.open(TypeBatch, from, federation, v)
	}
	return b, p, count, err
}

// appendRecords appends each record as uvarint length and fields. Scope and hash
// are left out: the header and the payload tell them.
func appendRecords(to []byte, records []syncer.Record) []byte {
	var e encoder
	for _, r := range records {
		e = e[:0]
		e.string(2, r.Kind)
		e.string(4, r.Key)
		e.uint(6, r.Revision)
		e.bool(8, r.Deleted())
		e.bytes(10, r.Payload)
		to = binary.AppendUvarint(to, uint64(len(e)))
		to = append(to, e...)
	}
	return to
}

func decodeRecords(body []byte, scope string) ([]syncer.Record, error) {
	var records []syncer.Record
	for len(body) > 0 {
		size, n := binary.Uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) {
			return nil, fmt.Errorf("wire: record %d is torn: %w", len(records), syncer.ErrCorrupt)
		}
		r, err := decodeRecord(body[n:n+int(size)], scope)
		if err != nil {
			return nil, err
		}
		records, body = append(records, r), body[n+int(size):]
	}
	return records, nil
}

func decodeRecord(body []byte, scope string) (syncer.Record, error) {
	r, deleted := syncer.Record{Scope: scope}, false
	err := scan("record", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			r.Kind = f.string()
		case 4:
			r.Key = f.string()
		case 6:
			r.Revision = f.uint()
		case 8:
			deleted = f.bool()
		case 10:
			r.Payload = f.bytes()
		default:
			return false
		}
		return true
	})
	if err != nil {
		return r, err
	}
	if deleted {
		return r, r.Verify()
	}
	r.Hash = sha256.Sum256(r.Payload)
	return r, nil
}
