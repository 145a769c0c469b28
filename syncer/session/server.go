package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	handshakeTimeout = 10 * time.Second
	// handshakes bounds how many connections may be in their handshake at a time;
	// the rest wait in the listener's backlog. enrolments bounds how many newcomers
	// are served at a time; the rest are refused and try again.
	handshakes = 1024
	enrolments = 64
	// patience is how many failures of accept in a row end a server.
	patience = 50
)

// ServerConfig is what a [Server] needs.
type ServerConfig struct {
	// CA signs grants. Its pin is among those of Trust.
	CA *CA
	// Trust returns what is accepted at the moment.
	Trust func() Trust
	// Credential returns the primary's certificate at the moment.
	Credential func() (Credential, error)
	// Enroller decides on joining and renewal.
	Enroller Enroller
	// Admit is asked for every member that connects, after its certificate was
	// verified; whether it is valid now stands in [Peer.Expired]. An error ends the
	// connection. Admit must refuse a key that is not on record for the member.
	Admit func(ctx context.Context, peer Peer) error
	// Handle runs the feed of an admitted session until it returns. A member whose
	// certificate has expired may only be told that it was removed; it can renew on
	// another stream.
	Handle func(ctx context.Context, s *Session, feed net.Conn)
	// Now is the clock that decides on validity.
	Now func() time.Time
	// Log receives what nobody else learns.
	Log *slog.Logger
}

// Server accepts connections of all kinds on one port.
type Server struct {
	cfg  ServerConfig
	http *Handover
	// room and desks hold one element per handshake and per enrolment.
	room, desks chan struct{}
}

// NewServer returns a server.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.CA == nil || cfg.Trust == nil || cfg.Credential == nil || cfg.Enroller == nil ||
		cfg.Admit == nil || cfg.Handle == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("session: server configuration is incomplete")
	}
	return &Server{
		cfg: cfg, http: NewHandover("connections without muster ALPN"), room: make(chan struct{}, handshakes),
		desks: make(chan struct{}, enrolments),
	}, nil
}

// HTTP returns a listener for the connections that speak no muster protocol:
// HTTP/2, HTTP/1.1, or clients without ALPN. They have completed the handshake
// without a client certificate being required. Give it to an [net/http.Server].
func (s *Server) HTTP() net.Listener { return s.http }

// Serve accepts connections until ctx ends or the listener fails, and returns when
// all of them are closed.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		listener.Close()
		s.http.Close()
	})
	defer stop()
	for failed := 0; ; {
		select {
		case s.room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := listener.Accept()
		if err != nil {
			<-s.room
			if ctx.Err() != nil {
				return nil
			}
			if failed++; failed > patience || errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("session: accept: %w", err)
			}
			pause(ctx, time.Duration(failed)*10*time.Millisecond) // out of descriptors, most likely
			continue
		}
		failed = 0
		running.Go(func() { s.serve(ctx, conn) })
	}
}

// serve decides by ALPN and client certificate what a connection is.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	tlsConn := tls.Server(conn, s.tlsConfig())
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	err := tlsConn.HandshakeContext(handshake)
	cancel()
	<-s.room
	if err != nil {
		stop()
		conn.Close()
		s.cfg.Log.Debug("handshake failed", "remote", conn.RemoteAddr().String(), "error", err)
		return
	}
	state := tlsConn.ConnectionState()
	if state.NegotiatedProtocol != ALPN {
		stop()
		s.http.Give(tlsConn)
		return
	}
	defer stop()
	defer tlsConn.Close()
	if len(state.PeerCertificates) == 0 {
		err = s.serveEnrolment(ctx, tlsConn)
	} else {
		err = s.serveMember(ctx, tlsConn)
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Info("connection refused or broken", "remote", conn.RemoteAddr().String(), "error", err)
	}
}

func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{ALPN, "h2", "http/1.1"},
		// Requested only: an enrolment has none. What is presented is verified in
		// full by serveMember before anything else is read.
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			own, err := s.cfg.Credential()
			if err != nil {
				return nil, err
			}
			cert := own.certificate()
			return &cert, nil
		},
	}
}

// serveMember verifies a member and runs its session.
func (s *Server) serveMember(ctx context.Context, conn *tls.Conn) error {
	peer, err := s.cfg.Trust().verify(conn.ConnectionState().PeerCertificates, RoleMember)
	if err != nil {
		return err
	}
	peer.Remote = conn.RemoteAddr().String()
	peer.Expired = !peer.ValidAt(s.cfg.Now())
	if err := s.cfg.Admit(ctx, peer); err != nil {
		return fmt.Errorf("session: member %q: %w", peer.ID, err)
	}
	session, err := newSession(conn, peer, false)
	if err != nil {
		return err
	}
	defer session.Close()
	if peer.Expired {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, enrolTimeout)
		defer cancel()
	}
	return s.streams(ctx, session)
}

// streams serves what the member opens until the session ends. Only one feed runs
// in a session.
func (s *Server) streams(ctx context.Context, session *Session) error {
	var running sync.WaitGroup
	defer running.Wait()
	defer session.Close()
	fed := false
	for {
		kind, stream, err := session.Accept(ctx)
		switch {
		case errors.Is(err, io.EOF) || ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		switch {
		case kind == StreamRenewal:
			// One at a time: who floods this holds up nobody but itself.
			if err := s.serveRenewal(ctx, stream, session.peer); err != nil {
				s.cfg.Log.Warn("certificate not renewed", "member", session.peer.ID, "error", err)
			}
		case kind == StreamFeed && !fed:
			fed = true
			running.Go(func() {
				if !session.peer.Expired {
					defer session.Close()
				}
				defer stream.Close()
				s.cfg.Handle(ctx, session, stream)
			})
		default:
			stream.Close()
		}
	}
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
