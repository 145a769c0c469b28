package layer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner/gunzip"
)

const (
	// peekBytes is the buffer in which a stream's kind is told; all larger reads
	// pass it by.
	peekBytes = 4 << 10
	// maxWindow bounds the memory of a zstd decoder. The format's specification
	// recommends to support 8 MiB; more takes an image that was packed with
	// long-distance matching, and only one layer of that kind is read at a time.
	maxWindow = 64 << 20
	// usualWindow is what the packers of images use at most by default.
	usualWindow = 16 << 20
)

// decompress returns the tar inside a stream, told by the stream's first bytes,
// and a function that frees the decoder.
func (r *Reader) decompress(ctx context.Context, in io.Reader) (tar io.Reader, closeTar func(), err error) {
	buffered := bufio.NewReaderSize(in, peekBytes)
	start, err := buffered.Peek(zstd.HeaderMaxSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gunzip.NewReader(buffered), func() {}, nil
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return r.zstd(ctx, buffered, start)
	}
	if name := otherFormat(start); name != "" {
		return nil, nil, fmt.Errorf("%w: %s; push the image with gzip or zstd layers", ErrCompression, name)
	}
	return buffered, func() {}, nil
}

// zstd decodes frames. The first tells the window of all: a later one with a
// window beyond what was set aside for it is refused.
func (r *Reader) zstd(ctx context.Context, in io.Reader, start []byte) (tar io.Reader, closeTar func(), err error) {
	var header zstd.Header
	if err := header.Decode(start); err != nil {
		return nil, nil, fmt.Errorf("%w: zstd: %w", ErrMalformed, err)
	}
	window, release := uint64(usualWindow), func() {}
	if header.WindowSize > usualWindow {
		select {
		case r.wide <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
		window, release = maxWindow, func() { <-r.wide }
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("%w: zstd: %w", ErrMalformed, err)
	}
	return z, func() { z.Close(); release() }, nil
}

// otherFormat names a compression that is recognised only to be refused by name.
// A tar begins with the name of its first file.
func otherFormat(start []byte) string {
	for _, f := range []struct{ name, magic string }{
		{"xz", "\xfd7zXZ\x00"}, {"lzma", "\x5d\x00\x00"}, {"lzip", "LZIP\x01"}, {"bzip2", "BZh"}, {"lz4", "\x04\x22\x4d\x18"},
		{"zip", "PK\x03\x04"}, {"zip", "PK\x05\x06"}, {"7z", "7z\xbc\xaf\x27\x1c"},
	} {
		if !bytes.HasPrefix(start, []byte(f.magic)) {
			continue
		}
		if f.name == "bzip2" && !(len(start) > 9 && start[3] >= '1' && start[3] <= '9' && bytes.HasPrefix(start[4:], []byte("1AY&SY"))) {
			continue // a file may well be called so
		}
		return f.name
	}
	return ""
}
