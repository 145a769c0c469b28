package store

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// packAbove is the size in bytes from which a payload is worth compressing.
const packAbove = 1 << 10

// payloadLimit bounds what one stored payload may expand to.
const payloadLimit = 256 << 20

// payloadCodec stores large payloads compressed. It is safe for concurrent use.
type payloadCodec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPayloadCodec() (payloadCodec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return payloadCodec{}, fmt.Errorf("store: open the compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(payloadLimit))
	if err != nil {
		return payloadCodec{}, fmt.Errorf("store: open the decompressor: %w", err)
	}
	return payloadCodec{enc: enc, dec: dec}, nil
}

// pack gives what is stored and whether it is compressed.
func (c payloadCodec) pack(payload []byte) (body []byte, packed bool) {
	if len(payload) < packAbove {
		if payload == nil {
			payload = []byte{}
		}
		return payload, false
	}
	return c.compress(payload), true
}

func (c payloadCodec) compress(payload []byte) []byte {
	return c.enc.EncodeAll(payload, make([]byte, 0, len(payload)/4))
}

func (c payloadCodec) unpack(body []byte, packed bool) ([]byte, error) {
	if !packed {
		return body, nil
	}
	payload, err := c.dec.DecodeAll(body, nil)
	if err != nil {
		return nil, fmt.Errorf("store: unpack a payload: %w", err)
	}
	return payload, nil
}
