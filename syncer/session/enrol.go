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

// Codes of a [Refusal].
const (
	CodeTokenUnknown = "token_unknown"
	CodeTokenExpired = "token_expired"
	CodeTokenUsed    = "token_used"
	CodeTokenRevoked = "token_revoked"
	CodeFederation   = "wrong_federation"
	CodePin          = "wrong_pin"
	CodeProof        = "wrong_proof"
	CodeNameTaken    = "name_taken"
	CodeRequest      = "bad_request"
	CodeRemoved      = "removed"
	CodeUnavailable  = "unavailable"
)

// Refusal is the primary's no, with the reason that people are shown.
type Refusal struct{ Code, Reason string }

// Error returns the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("session: refused (%s): %s", r.Code, r.Reason) }

// Enroller decides on joining. Its methods return a [*Refusal] for whatever the
// joiner should know; any other error is told to it as "unavailable".
type Enroller interface {
	// TokenKey returns the public key of a join token that may still be used, or
	// that was used by the key with this pin.
	TokenKey(ctx context.Context, token string, key Pin) (ed25519.PublicKey, error)
	// Enrol takes one use of the token and issues a certificate, in one
	// transaction. For a key that has enrolled under this token before it answers
	// as it did then and takes nothing.
	Enrol(ctx context.Context, a Application) (Grant, error)
	// Renew issues a new certificate to a member, for the key of the request.
	Renew(ctx context.Context, peer Peer, request *x509.CertificateRequest) (chain [][]byte, err error)
}

// Application is a proven wish to join.
type Application struct {
	Token string
	// Request holds the joiner's key, Key is its pin.
	Request *x509.CertificateRequest
	Key     Pin
	// Name is what the joiner wants to be called, Info is opaque here.
	Name string
	Info []byte
	// Remote is the network address, for people.
	Remote string
}

// Grant is what a joiner gets.
type Grant struct {
	// Member is its id.
	Member string
	// Chain is its certificate and that of the CA, in DER.
	Chain [][]byte
	// ContentKey verifies the feed.
	ContentKey ed25519.PublicKey
	// Settings are opaque here.
	Settings []byte
}

const (
	nonceSize     = 32
	enrolTimeout  = 30 * time.Second
	exporterLabel = "EXPORTER-muster-enrolment"
)

// transcript is what both sides of an enrolment must agree on. It binds the proof
// to this TLS connection, so that nobody in the middle can carry it elsewhere.
func transcript(a wire.EnrolApply, serverNonce []byte, tlsConn *tls.Conn) ([]byte, error) {
	state := tlsConn.ConnectionState()
	exporter, err := state.ExportKeyingMaterial(exporterLabel, nil, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("session: TLS exporter: %w", err)
	}
	h := sha256.New()
	request := sha256.Sum256(a.Request)
	for _, part := range [][]byte{
		[]byte("muster enrolment 1"), []byte(a.Federation), []byte(a.Token), a.Pin[:],
		serverNonce, a.Nonce, request[:], []byte(a.Name), exporter,
	} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return h.Sum(nil), nil
}

func grantMessage(transcript, grant []byte) []byte {
	return slices.Concat([]byte("muster grant 1\x00"), transcript, grant)
}

// Joiner is a cluster that wants to become a member.
type Joiner struct {
	Ticket Ticket
	// Key is its own new key. It is saved before the attempt, so that a crash on
	// the way can be repeated: the primary answers the same key with the same
	// certificate.
	Key ed25519.PrivateKey
	// Name is what it wants to be called; Info is opaque here.
	Name string
	Info []byte
}

// Enrol joins over a connection that a transport has opened, and closes it. A no is
// a [*Refusal].
func (j Joiner) Enrol(ctx context.Context, conn net.Conn) (Grant, error) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(enrolTimeout)); err != nil {
		return Grant{}, fmt.Errorf("session: enrol: %w", err)
	}
	tlsConn := tls.Client(conn, clientConfig(j.Ticket.Trust(), nil, nil))
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		return Grant{}, fmt.Errorf("session: enrol: handshake: %w", err)
	}
	reader := wire.NewReader(tlsConn, wire.DefaultLimits(), nil)
	serverNonce, err := readChallenge(reader)
	if err != nil {
		return Grant{}, err
	}
	a, proof, err := j.apply(serverNonce, tlsConn)
	if err != nil {
		return Grant{}, err
	}
	if _, err := tlsConn.Write(a.Encode().Append(nil)); err != nil {
		return Grant{}, fmt.Errorf("session: enrol: %w", err)
	}
	return j.readGrant(reader, proof)
}

func readChallenge(reader *wire.Reader) ([]byte, error) {
	f, err := expect(reader, wire.TypeChallenge)
	if err != nil {
		return nil, err
	}
	c, err := wire.DecodeEnrolChallenge(f.Body)
	if err == nil && len(c.Nonce) != nonceSize {
		err = fmt.Errorf("session: challenge of %d bytes: %w", len(c.Nonce), syncer.ErrCorrupt)
	}
	return c.Nonce, err
}

// apply returns the application and the transcript that it proves the token by.
func (j Joiner) apply(serverNonce []byte, conn *tls.Conn) (wire.EnrolApply, []byte, error) {
	request, err := NewRequest(j.Key)
	if err != nil {
		return wire.EnrolApply{}, nil, err
	}
	a := wire.EnrolApply{
		Federation: j.Ticket.Federation, Token: j.Ticket.Token, Pin: syncer.Hash(j.Ticket.Pin),
		Nonce: make([]byte, nonceSize), Request: request, Name: j.Name, Info: j.Info,
	}
	if _, err := io.ReadFull(rand.Reader, a.Nonce); err != nil {
		return a, nil, fmt.Errorf("session: nonce: %w", err)
	}
	proof, err := transcript(a, serverNonce, conn)
	if err != nil {
		return a, nil, err
	}
	a.Signature = ed25519.Sign(j.Ticket.key(), proof)
	return a, proof, nil
}

func (j Joiner) readGrant(reader *wire.Reader, proof []byte) (Grant, error) {
	f, err := expect(reader, wire.TypeGrant)
	if err != nil {
		return Grant{}, err
	}
	seal, err := wire.DecodeSeal(f.Body)
	if err != nil {
		return Grant{}, err
	}
	g, err := wire.DecodeEnrolGrant(seal.Header)
	if err != nil {
		return Grant{}, err
	}
	chain, err := parseChain(g.Chain)
	if err != nil {
		return Grant{}, err
	}
	peer, err := j.Ticket.Trust().verify(chain, RoleMember)
	if err != nil {
		return Grant{}, err
	}
	mine, ok := chain[0].PublicKey.(ed25519.PublicKey)
	if !ok || !mine.Equal(j.Key.Public()) || peer.ID != g.Member {
		return Grant{}, fmt.Errorf("session: the primary granted a certificate for another key or member: %w", ErrPeer)
	}
	if err := checkGrant(chain, j.Ticket.Pin, grantMessage(proof, seal.Header), seal.Signature); err != nil {
		return Grant{}, err
	}
	return Grant(g), nil
}

// checkGrant verifies the CA's signature under a grant.
func checkGrant(chain []*x509.Certificate, pin Pin, message, signature []byte) error {
	for _, c := range chain[1:] {
		if key, ok := c.PublicKey.(ed25519.PublicKey); ok && PinOf(c) == pin && ed25519.Verify(key, message, signature) {
			return nil
		}
	}
	return fmt.Errorf("session: grant is not signed by the CA of the token: %w", ErrPeer)
}

func parseChain(raw [][]byte) ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, 0, len(raw))
	for _, der := range raw {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("session: certificate: %v: %w", err, ErrPeer)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// expect reads one frame of type t; a refusal becomes an error.
func expect(reader *wire.Reader, t wire.Type) (wire.Frame, error) {
	f, err := reader.Read()
	switch {
	case err != nil:
		return f, fmt.Errorf("session: %w", err)
	case f.Type == wire.TypeRefusal:
		r, err := wire.DecodeEnrolRefusal(f.Body)
		if err != nil {
			return f, err
		}
		return f, &Refusal{Code: r.Code, Reason: r.Reason}
	case f.Type != t:
		return f, fmt.Errorf("session: frame of type %d, wanted %d: %w", f.Type, t, syncer.ErrCorrupt)
	}
	return f, nil
}

// refusalFrame tells the other side what it may know of err.
func refusalFrame(err error) wire.Frame {
	var r *Refusal
	if !errors.As(err, &r) {
		r = &Refusal{Code: CodeUnavailable, Reason: "the primary cannot decide now: try again later and look into its log"}
	}
	return wire.EnrolRefusal{Code: r.Code, Reason: r.Reason}.Encode()
}
