package session

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

// smallLimits bound what somebody without a certificate can make us hold.
func smallLimits() wire.Limits { return wire.Limits{Message: 64 << 10, Bulk: 1} }

// serveEnrolment runs the one exchange that needs no client certificate. The
// returned error has been told to the joiner as far as it may know.
func (s *Server) serveEnrolment(ctx context.Context, conn *tls.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(enrolTimeout)); err != nil {
		return fmt.Errorf("session: enrolment: %w", err)
	}
	select {
	case s.desks <- struct{}{}:
		defer func() { <-s.desks }()
	default:
		busy := &Refusal{CodeUnavailable, "too many clusters are joining at this moment: try again in a minute"}
		_, err := conn.Write(refusalFrame(busy).Append(nil))
		return errors.Join(busy, err)
	}
	reader := wire.NewReader(conn, smallLimits(), nil)
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(rand.Reader, nonce); err != nil {
		return fmt.Errorf("session: nonce: %w", err)
	}
	if _, err := conn.Write(wire.EnrolChallenge{Nonce: nonce}.Encode().Append(nil)); err != nil {
		return fmt.Errorf("session: enrolment: %w", err)
	}
	f, err := expect(reader, wire.TypeApply)
	if err != nil {
		return err
	}
	answer, err := s.decide(ctx, conn, nonce, f.Body)
	if err != nil {
		answer = refusalFrame(err)
	}
	if _, writeErr := conn.Write(answer.Append(nil)); writeErr != nil && err == nil {
		err = fmt.Errorf("session: enrolment: %w", writeErr)
	}
	return err
}

func (s *Server) decide(ctx context.Context, conn *tls.Conn, nonce, body []byte) (wire.Frame, error) {
	a, err := wire.DecodeEnrolApply(body)
	if err != nil {
		return wire.Frame{}, &Refusal{CodeRequest, "the application cannot be read: is this release much older than the joiner?"}
	}
	proof, request, err := s.checkApplication(ctx, conn, nonce, a)
	if err != nil {
		return wire.Frame{}, err
	}
	grant, err := s.cfg.Enroller.Enrol(ctx, Application{
		Token: a.Token, Request: request, Key: sha256.Sum256(request.RawSubjectPublicKeyInfo),
		Name: a.Name, Info: a.Info, Remote: conn.RemoteAddr().String(),
	})
	if err != nil {
		return wire.Frame{}, fmt.Errorf("session: enrol under token %q: %w", a.Token, err)
	}
	content := wire.EnrolGrant(grant).Encode()
	seal := wire.Seal{Header: content, Signature: ed25519.Sign(s.cfg.CA.key, grantMessage(proof, content))}
	return wire.Frame{Type: wire.TypeGrant, Body: seal.Encode()}, nil
}

func (s *Server) checkApplication(ctx context.Context, conn *tls.Conn, nonce []byte, a wire.EnrolApply) ([]byte, *x509.CertificateRequest, error) {
	trust := s.cfg.Trust()
	switch {
	case a.Federation != trust.Federation:
		return nil, nil, &Refusal{CodeFederation, "the token belongs to another federation: make a new one here"}
	case !slices.Contains(trust.Pins, Pin(a.Pin)):
		return nil, nil, &Refusal{CodePin, "the token names a CA that this primary no longer has: make a new token"}
	case len(a.Nonce) != nonceSize:
		return nil, nil, &Refusal{CodeRequest, "the application has no nonce"}
	}
	request, err := parseRequest(a.Request)
	if err != nil {
		return nil, nil, &Refusal{CodeRequest, "the certificate request is not signed by its key, or the key is neither Ed25519 nor P-256"}
	}
	key, err := s.cfg.Enroller.TokenKey(ctx, a.Token, sha256.Sum256(request.RawSubjectPublicKeyInfo))
	if err != nil {
		return nil, nil, fmt.Errorf("session: token %q: %w", a.Token, err)
	}
	proof, err := transcript(a, nonce, conn)
	if err != nil {
		return nil, nil, err
	}
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, proof, a.Signature) {
		return nil, nil, &Refusal{CodeProof, "the proof of the token is wrong: the token is damaged, or somebody stands in the middle"}
	}
	return proof, request, nil
}

// serveRenewal answers one request for a new certificate on a stream of a session.
func (s *Server) serveRenewal(ctx context.Context, stream net.Conn, peer Peer) error {
	defer stream.Close()
	if err := stream.SetDeadline(time.Now().Add(enrolTimeout)); err != nil {
		return fmt.Errorf("session: renewal: %w", err)
	}
	f, err := expect(wire.NewReader(stream, smallLimits(), nil), wire.TypeRenew)
	if err != nil {
		return err
	}
	answer, err := s.renew(ctx, f.Body, peer)
	if err != nil {
		answer = refusalFrame(err)
	}
	if _, writeErr := stream.Write(answer.Append(nil)); writeErr != nil && err == nil {
		err = fmt.Errorf("session: renewal: %w", writeErr)
	}
	return err
}

func (s *Server) renew(ctx context.Context, der []byte, peer Peer) (wire.Frame, error) {
	request, err := parseRequest(der)
	if err != nil {
		return wire.Frame{}, &Refusal{CodeRequest, "the certificate request cannot be accepted"}
	}
	chain, err := s.cfg.Enroller.Renew(ctx, peer, request)
	if err != nil {
		return wire.Frame{}, fmt.Errorf("session: renew certificate of %q: %w", peer.ID, err)
	}
	seal := wire.Seal{Header: wire.EnrolGrant{Member: peer.ID, Chain: chain}.Encode()}
	return wire.Frame{Type: wire.TypeGrant, Body: seal.Encode()}, nil
}

// Renew asks the primary for a new certificate over a session, for the key of the
// old one or for a new key, and returns the credential to use from now on. A no is
// a [*Refusal].
func (s *Session) Renew(ctx context.Context, trust Trust, key ed25519.PrivateKey) (Credential, error) {
	stream, err := s.Open(ctx, StreamRenewal)
	if err != nil {
		return Credential{}, err
	}
	defer stream.Close()
	if err := stream.SetDeadline(time.Now().Add(enrolTimeout)); err != nil {
		return Credential{}, fmt.Errorf("session: renewal: %w", err)
	}
	der, err := NewRequest(key)
	if err != nil {
		return Credential{}, err
	}
	if _, err := stream.Write(wire.Frame{Type: wire.TypeRenew, Body: der}.Append(nil)); err != nil {
		return Credential{}, fmt.Errorf("session: renewal: %w", err)
	}
	f, err := expect(wire.NewReader(stream, smallLimits(), nil), wire.TypeGrant)
	if err != nil {
		return Credential{}, err
	}
	return checkRenewal(f.Body, trust, key)
}

func checkRenewal(body []byte, trust Trust, key ed25519.PrivateKey) (Credential, error) {
	seal, err := wire.DecodeSeal(body)
	if err != nil {
		return Credential{}, err
	}
	g, err := wire.DecodeEnrolGrant(seal.Header)
	if err != nil {
		return Credential{}, err
	}
	chain, err := parseChain(g.Chain)
	if err != nil {
		return Credential{}, err
	}
	if _, err := trust.verify(chain, RoleMember); err != nil {
		return Credential{}, err
	}
	if mine, ok := chain[0].PublicKey.(ed25519.PublicKey); !ok || !mine.Equal(key.Public()) {
		return Credential{}, fmt.Errorf("session: the primary renewed another key: %w", syncer.ErrCorrupt)
	}
	return Credential{Chain: g.Chain, Key: key}, nil
}
