package wire

import (
	"fmt"

	"github.com/muster-sec/muster/syncer"
)

// Challenge is chosen at random by a member for one comparison of trees; answers
// repeat it, so an answer cannot be replayed into another comparison.
type Challenge [16]byte

// Compare asks the primary to compare one node of the member's tree.
type Compare struct {
	Stream    syncer.Stream
	Challenge Challenge
	Prefix    syncer.Prefix
	// Node is the member's node at Prefix; below its leaves, what they hold there.
	Node syncer.Node
}

// Encode returns c as a frame.
func (c Compare) Encode() Frame {
	var e encoder
	e.string(2, c.Stream.Scope)
	e.uint(4, uint64(c.Stream.Class))
	e.bytes(6, c.Challenge[:])
	e.string(8, string(c.Prefix))
	e.bytes(10, c.Node.Body())
	return Frame{Type: TypeCompare, Body: e}
}

// DecodeCompare reads the body of a compare frame.
func DecodeCompare(body []byte) (c Compare, err error) {
	var node []byte
	err = scan("compare", body, func(number uint64, f field) bool {
		switch number {
		case 2:
			c.Stream.Scope = f.string()
		case 4:
			c.Stream.Class = f.class()
		case 6:
			f.fixed(c.Challenge[:])
		case 8:
			c.Prefix = syncer.Prefix(f.string())
		case 10:
			node = f.bytes()
		default:
			return false
		}
		return true
	})
	if err != nil {
		return c, err
	}
	if !c.Prefix.Valid() {
		return c, fmt.Errorf("wire: compare: prefix %.70q: %w", c.Prefix, syncer.ErrCorrupt)
	}
	c.Node, err = syncer.ParseNode(c.Prefix, node)
	return c, err
}

// Difference is the primary's answer to a [Compare]. Exactly one of these holds:
// Equal, or Children is not empty, or Leaf.
type Difference struct {
	Stream    syncer.Stream
	Challenge Challenge
	Prefix    syncer.Prefix
	// Asked is the hash of the node that was compared.
	Asked syncer.Hash
	// Epoch and Head are the primary's when it looked.
	Epoch, Head uint64
	// Equal says that both hold the same under Prefix.
	Equal bool
	// Children names the digits of the children that differ; the member asks on.
	Children []int
	// Leaf says that Keep is all that the primary holds under Prefix, and that
	// Records are those of them that the member lacks.
	Leaf    bool
	Keep    []syncer.Path
	Records []syncer.Record
	// More says that Records is not complete: apply it and ask for Prefix again.
	More bool
	// Seal is the evidence under which the difference was opened.
	Seal Seal
}

const (
	differenceEqual = iota + 1
	differenceChildren
	differenceLeaf
)

func (d Difference) result() uint64 {
	switch {
	case d.Equal:
		return differenceEqual
	case d.Leaf:
		return differenceLeaf
	}
	return differenceChildren
}

// Difference encodes and signs d. Its Seal is ignored.
func (s *Signer) Difference(d Difference, c *Codec) Frame {
	var content encoder
	for _, path := range d.Keep {
		content.bytes(2, path[:])
	}
	content.bytes(4, appendRecords(nil, d.Records))
	packed := c.pack(content)
	mask := uint64(0)
	for _, digit := range d.Children {
		mask |= 1 << digit
	}
	e := s.header()
	e.string(6, d.Stream.Scope)
	e.uint(8, uint64(d.Stream.Class))
	e.uint(10, d.Epoch)
	e.uint(12, d.Head)
	e.bytes(14, d.Challenge[:])
	e.string(16, string(d.Prefix))
	e.hash(18, d.Asked)
	e.uint(20, d.result())
	e.uint(22, mask)
	e.bool(24, d.More)
	packed.describe(&e)
	body := sealed{seal: s.seal(TypeDifference, e), payload: packed.bytes}.encode()
	return Frame{Type: TypeDifference, Body: body}
}

// OpenDifference verifies the body of a difference frame, then unpacks it.
func OpenDifference(body []byte, federation string, v Verifier, c *Codec) (Difference, error) {
	signed, err := decodeSealed(body)
	if err != nil {
		return Difference{}, err
	}
	d, packed, err := openDifferenceHeader(signed.seal, federation, v)
	if err != nil {
		return Difference{}, err
	}
	packed.bytes = signed.payload
	if err := signed.checkSum(packed.sum); err != nil {
		return Difference{}, err
	}
	raw, err := c.unpack(packed)
	if err != nil {
		return Difference{}, err
	}
	return d, d.takeContent(raw)
}

func openDifferenceHeader(seal Seal, federation string, v Verifier) (d Difference, p packed, err error) {
	var (
		from   origin
		result uint64
	)
	d.Seal = seal
	err = scan("difference", seal.Header, func(number uint64, f field) bool {
		switch number {
		case 6:
			d.Stream.Scope = f.string()
		case 8:
			d.Stream.Class = f.class()
		case 10:
			d.Epoch = f.uint()
		case 12:
			d.Head = f.uint()
		case 14:
			f.fixed(d.Challenge[:])
		case 16:
			d.Prefix = syncer.Prefix(f.string())
		case 18:
			d.Asked = f.hash()
		case 20:
			result = f.uint()
			d.Equal, d.Leaf = result == differenceEqual, result == differenceLeaf
		case 22:
			d.Children = digitsOf(f.uint())
		case 24:
			d.More = f.bool()
		default:
			return p.take(number, f) || from.take(number, f)
		}
		return true
	})
	if err == nil && (result < differenceEqual || result > differenceLeaf || (len(d.Children) > 0) != (result == differenceChildren) ||
		!d.Prefix.Valid()) {
		err = fmt.Errorf("wire: difference contradicts itself: %w", syncer.ErrCorrupt)
	}
	if err == nil {
		err = seal.open(TypeDifference, from, federation, v)
	}
	return d, p, err
}

func digitsOf(mask uint64) (digits []int) {
	for digit := range 16 {
		if mask&(1<<digit) != 0 {
			digits = append(digits, digit)
		}
	}
	return digits
}

func (d *Difference) takeContent(raw []byte) error {
	return scan("difference content", raw, func(number uint64, f field) bool {
		switch number {
		case 2:
			var path syncer.Path
			f.fixed(path[:])
			d.Keep = append(d.Keep, path)
		case 4:
			records, err := decodeRecords(f.bytes(), d.Stream.Scope)
			f.check(err)
			d.Records = records
		default:
			return false
		}
		return true
	})
}
