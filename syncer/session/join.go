package session

import (
	"encoding/binary"
	"net"
)

const (
	muxHeader   = 12
	muxTypeData = 0
)

// joined is a connection under the multiplexer. That one writes the header of a
// data frame and its body apart; joined holds the header back until the body
// comes, so that a small frame is one TLS record and one system call. Only the
// multiplexer's one sending goroutine writes.
type joined struct {
	net.Conn
	held []byte
}

// Write writes b behind a header that was held back.
func (j *joined) Write(b []byte) (int, error) {
	if len(j.held) == 0 {
		if len(b) == muxHeader && b[1] == muxTypeData && binary.BigEndian.Uint32(b[8:]) > 0 {
			j.held = append(j.held, b...)
			return len(b), nil
		}
		return j.Conn.Write(b)
	}
	before := len(j.held)
	j.held = append(j.held, b...)
	n, err := j.Conn.Write(j.held)
	j.held = j.held[:0]
	if cap(j.held) > 1<<20 {
		j.held = nil
	}
	return max(0, n-before), err
}
