package session

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// clientConfig verifies the server by pin and role. When now is nil the time is
// not judged: there is no offset to judge by yet, and the caller does it as soon
// as there is one.
func clientConfig(trust Trust, own *Credential, now func() time.Time) *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{ALPN},
		// The name in a certificate of a federation is not a host name, and its CA
		// is known by pin alone; VerifyConnection below is the whole verification
		// and runs on every handshake.
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.NegotiatedProtocol != ALPN {
				return fmt.Errorf("session: no muster primary at this address: %w", ErrPeer)
			}
			peer, err := trust.verify(state.PeerCertificates, RolePrimary)
			if err != nil {
				return err
			}
			if now != nil && !peer.ValidAt(now()) {
				return fmt.Errorf("session: primary's certificate is valid from %s to %s: %w",
					peer.NotBefore.UTC().Format(time.RFC3339), peer.NotAfter.UTC().Format(time.RFC3339), ErrExpired)
			}
			return nil
		},
	}
	if own != nil {
		cert := own.certificate()
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return cfg
}

// Client opens a session over a connection that a transport has dialled. now is
// the primary's time as far as it is known, nil when it is not: then the caller
// judges [Peer.ValidAt] as soon as it knows. The connection is closed on failure.
func Client(ctx context.Context, conn net.Conn, trust Trust, own Credential, now func() time.Time) (*Session, error) {
	tlsConn := tls.Client(conn, clientConfig(trust, &own, now))
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("session: handshake: %w", err)
	}
	peer, err := trust.verify(tlsConn.ConnectionState().PeerCertificates, RolePrimary)
	if err != nil {
		conn.Close()
		return nil, err
	}
	peer.Remote = conn.RemoteAddr().String()
	s, err := newSession(tlsConn, peer, true)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}
