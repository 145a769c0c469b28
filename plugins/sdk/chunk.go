package sdk

import (
	"errors"
	"fmt"
	"io"
)

// errPeerEnded says that a send failed because the other side ended the call;
// its reason is what receiving returns.
var errPeerEnded = errors.New("sdk: the other side ended the call")

// eachChunk reads r to its end and sends it in full chunks. Errors of r are
// told apart from errors of send, and a truncated r is never taken for a whole
// one, which io.ReadFull would do.
func eachChunk(r io.Reader, send func([]byte) error) error {
	for {
		// A fresh buffer each time: gRPC may read a message after Send returned.
		buf := make([]byte, MaxChunk)
		n := 0
		var rerr error
		for n < len(buf) && rerr == nil {
			var m int
			m, rerr = r.Read(buf[n:])
			n += m
		}
		if n > 0 {
			if err := send(buf[:n]); errors.Is(err, io.EOF) {
				return errPeerEnded
			} else if err != nil {
				return fromWire(err)
			}
		}
		switch {
		case rerr == io.EOF: // the bare value only: a wrapped one is no clean end
			return nil
		case rerr != nil:
			return fmt.Errorf("reading: %w", rerr)
		}
	}
}

// chunkReader reads what arrives in chunks, up to limit bytes.
type chunkReader struct {
	next  func() ([]byte, error)
	limit int64
	rest  []byte
	read  int64
}

// Read returns io.EOF when the other side ended its sending cleanly.
func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		chunk, err := r.next()
		if err != nil {
			return 0, fromWire(err)
		}
		if r.read += int64(len(chunk)); r.read > r.limit {
			return 0, fmt.Errorf("%w: more than %d bytes", ErrLimit, r.limit)
		}
		r.rest = chunk
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
