package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// readAhead is the buffer between the source and the decompressor.
	readAhead = 64 << 10
	// maxWindow bounds the memory of a zstd decoder; it is the largest window
	// that the format's specification recommends decoders to support, times 16
	// for the images that are packed with long-distance matching.
	maxWindow = 128 << 20
)

// decompress returns the tar inside a stream, told by the stream's first bytes,
// and a function that frees the decoder.
func decompress(r io.Reader) (tar io.Reader, closeTar func(), err error) {
	buffered := bufio.NewReaderSize(r, readAhead)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: gzip: %w", ErrMalformed, err)
		}
		return z, func() { _ = z.Close() }, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, fmt.Errorf("%w: zstd: %w", ErrMalformed, err)
		}
		return z, z.Close, nil
	}
	return buffered, func() {}, nil
}
