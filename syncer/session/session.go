package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// Kind says what a stream of a session is for. It is the first byte on it.
type Kind byte

// The kinds of streams.
const (
	// StreamFeed carries the frames of syncer/wire; one per session, opened by the member.
	StreamFeed Kind = 1
	// StreamRenewal carries one renewal of a certificate, opened by the member.
	StreamRenewal Kind = 2
	// StreamTunnel carries bytes, opened by the primary; see syncer/tunnel.
	StreamTunnel Kind = 3
)

// kindTimeout bounds the wait for the first byte of a stream.
const kindTimeout = 10 * time.Second

// Session is one verified connection with many streams. It is safe for concurrent
// use.
type Session struct {
	peer Peer
	mux  *yamux.Session
}

func newSession(conn net.Conn, peer Peer, member bool) (*Session, error) {
	cfg := yamux.DefaultConfig()
	cfg.EnableKeepAlive = false // heartbeats of the feed do that
	cfg.LogOutput = io.Discard  // what matters comes back as an error
	cfg.AcceptBacklog = 64
	open := yamux.Server
	if member {
		open = yamux.Client
	}
	mux, err := open(&joined{Conn: conn}, cfg)
	if err != nil {
		return nil, fmt.Errorf("session: multiplexer: %w", err)
	}
	return &Session{peer: peer, mux: mux}, nil
}

// Peer returns the verified other side.
func (s *Session) Peer() Peer { return s.peer }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.mux.CloseChan() }

// Close ends the session and all its streams.
func (s *Session) Close() error { return s.mux.Close() }

// Open opens a stream of the given kind. The caller closes it.
func (s *Session) Open(ctx context.Context, kind Kind) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stream, err := s.mux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("session: open stream: %w", err)
	}
	if _, err := stream.Write([]byte{byte(kind)}); err != nil {
		stream.Close()
		return nil, fmt.Errorf("session: open stream: %w", err)
	}
	return stream, nil
}

// Accept returns the next stream that the peer opened. It fails with [io.EOF] when
// the session has ended. The caller closes the stream.
func (s *Session) Accept(ctx context.Context) (Kind, net.Conn, error) {
	stream, err := s.mux.AcceptStreamWithContext(ctx)
	switch {
	case ctx.Err() != nil:
		return 0, nil, ctx.Err()
	case errors.Is(err, io.EOF) || errors.Is(err, yamux.ErrSessionShutdown):
		return 0, nil, io.EOF
	case err != nil:
		return 0, nil, fmt.Errorf("session: accept stream: %w", err)
	}
	var first [1]byte
	if err := stream.SetReadDeadline(time.Now().Add(kindTimeout)); err != nil {
		stream.Close()
		return 0, nil, fmt.Errorf("session: accept stream: %w", err)
	}
	if _, err := io.ReadFull(stream, first[:]); err != nil {
		stream.Close()
		return 0, nil, fmt.Errorf("session: kind of stream: %w", err)
	}
	if err := stream.SetReadDeadline(time.Time{}); err != nil {
		stream.Close()
		return 0, nil, fmt.Errorf("session: accept stream: %w", err)
	}
	return Kind(first[0]), stream, nil
}
