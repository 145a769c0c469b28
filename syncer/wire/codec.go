package wire

import (
	"crypto/sha256"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/syncer"
)

// Codec packs payloads. It is safe for concurrent use and worth sharing.
type Codec struct {
	limit uint64
	enc   *zstd.Encoder
	dec   *zstd.Decoder
}

// NewCodec returns a codec that refuses to unpack more than limit bytes.
func NewCodec(limit int) (*Codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("wire: zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)))
	if err != nil {
		return nil, fmt.Errorf("wire: zstd decoder: %w", err)
	}
	return &Codec{limit: uint64(limit), enc: enc, dec: dec}, nil
}

// worthPacking is the size below which zstd gains nothing.
const worthPacking = 256

const (
	packedPlain = iota
	packedZstd
)

// packed is a payload as it travels, and what its header says of it.
type packed struct {
	bytes  []byte
	method uint64
	raw    uint64
	sum    syncer.Hash
}

func (c *Codec) pack(raw []byte) packed {
	p := packed{bytes: raw, raw: uint64(len(raw))}
	if len(raw) >= worthPacking {
		if z := c.enc.EncodeAll(raw, make([]byte, 0, len(raw)/2)); len(z) < len(raw) {
			p.bytes, p.method = z, packedZstd
		}
	}
	p.sum = sha256.Sum256(p.bytes)
	return p
}

// describe writes fields 40 to 44 of a header.
func (p packed) describe(e *encoder) {
	e.uint(40, p.method)
	e.uint(42, p.raw)
	e.hash(44, p.sum)
}

func (p *packed) take(number uint64, f field) bool {
	switch number {
	case 40:
		p.method = f.uint()
	case 42:
		p.raw = f.uint()
	case 44:
		p.sum = f.hash()
	default:
		return false
	}
	return true
}

// unpack returns the payload; its size must be the one that was signed.
func (c *Codec) unpack(p packed) ([]byte, error) {
	if p.raw > c.limit {
		return nil, fmt.Errorf("wire: payload of %d bytes: %w", p.raw, syncer.ErrTooLarge)
	}
	raw := p.bytes
	switch p.method {
	case packedPlain:
	case packedZstd:
		var err error
		// What is allocated before decoding is bounded by what was received, not
		// by what the header claims.
		guess := min(p.raw, uint64(len(p.bytes))*16)
		if raw, err = c.dec.DecodeAll(p.bytes, make([]byte, 0, guess)); err != nil {
			return nil, fmt.Errorf("wire: payload: %v: %w", err, syncer.ErrCorrupt)
		}
	default:
		return nil, fmt.Errorf("wire: payload packed by method %d: %w", p.method, syncer.ErrVersion)
	}
	if uint64(len(raw)) != p.raw {
		return nil, fmt.Errorf("wire: payload of %d bytes, not %d: %w", len(raw), p.raw, syncer.ErrCorrupt)
	}
	return raw, nil
}
