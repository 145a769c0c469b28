// Package session makes an authenticated connection out of any byte stream: TLS
// 1.3 under the certificates of one federation, many streams over one connection,
// and the enrolment by which a newcomer gets its certificate.
//
// A transport only moves bytes. Keys, identities and revocation live here.
//
// Both sides verify the other against the pin of the federation's CA, not against
// names or the system's roots: the standard verification is replaced as a whole
// by [Trust.verify], in both directions, on every handshake, resumed ones
// included (resumption is off). The primary's clock decides whether a certificate
// is valid; a member judges by its own clock plus the offset that it measured.
package session

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/muster-sec/muster/syncer"
)

// ALPN is the protocol name under which the syncer speaks TLS.
const ALPN = "muster/1"

var (
	// ErrPeer says that the other side is not who it must be.
	ErrPeer = errors.New("peer not accepted")
	// ErrExpired says that a certificate is not valid at the time that counts.
	ErrExpired = errors.New("certificate not valid now")
)

// Pin is the SHA-256 of a public key in its PKIX form.
type Pin syncer.Hash

// String returns p in lower-case hex.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// PinOf returns the pin of the certificate's public key.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// Role is what a certificate was issued for.
type Role string

// The roles.
const (
	RolePrimary Role = "primary"
	RoleMember  Role = "member"
)

// Identity is who a certificate says its holder is.
type Identity struct {
	Federation string
	Role       Role
	// ID is the member's id; empty for the primary.
	ID string
}

// uri is the form of an identity in a certificate, its only name there.
func (i Identity) uri() *url.URL {
	return &url.URL{Scheme: "muster", Host: i.Federation, Path: strings.TrimSuffix("/"+string(i.Role)+"/"+i.ID, "/")}
}

func identityOf(cert *x509.Certificate) (Identity, error) {
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != "muster" {
		return Identity{}, fmt.Errorf("session: certificate names no member of a federation: %w", ErrPeer)
	}
	parts := strings.Split(strings.TrimPrefix(cert.URIs[0].Path, "/"), "/")
	id := Identity{Federation: cert.URIs[0].Host, Role: Role(parts[0])}
	switch {
	case id.Role == RolePrimary && len(parts) == 1:
	case id.Role == RoleMember && len(parts) == 2 && parts[1] != "":
		id.ID = parts[1]
	default:
		return Identity{}, fmt.Errorf("session: certificate has identity %q: %w", cert.URIs[0], ErrPeer)
	}
	return id, nil
}

// Peer is the verified other side of a connection.
type Peer struct {
	Identity
	// Key is the pin of the peer's own public key.
	Key Pin
	// NotBefore and NotAfter bound the certificate.
	NotBefore, NotAfter time.Time
	// Expired says that a member's certificate was not valid when it connected.
	Expired bool
	// Remote is the network address, for people.
	Remote string
}

// ValidAt reports whether the peer's certificate is valid at t.
func (p Peer) ValidAt(t time.Time) bool { return !t.Before(p.NotBefore) && !t.After(p.NotAfter) }

// Trust is what a side accepts: a federation and the pins of its CA, more than one
// while the CA is being replaced.
type Trust struct {
	Federation string
	Pins       []Pin
}

// verify checks a presented chain: leaf first, the CA somewhere after it. It
// checks signatures, role, federation and pin, and not yet the time.
func (t Trust) verify(chain []*x509.Certificate, role Role) (Peer, error) {
	if len(chain) == 0 {
		return Peer{}, fmt.Errorf("session: no certificate: %w", ErrPeer)
	}
	leaf := chain[0]
	if err := checkKey(leaf.PublicKey); err != nil {
		return Peer{}, err
	}
	roots := x509.NewCertPool()
	anchored := false
	for _, c := range chain[1:] {
		if slices.Contains(t.Pins, PinOf(c)) {
			roots.AddCert(c)
			anchored = true
		}
	}
	if !anchored {
		return Peer{}, fmt.Errorf("session: certificate is not of a CA with an expected pin: %w", ErrPeer)
	}
	usage := x509.ExtKeyUsageServerAuth
	if role == RoleMember {
		usage = x509.ExtKeyUsageClientAuth
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage},
		// The time is judged apart, by Peer.ValidAt. CA certificates begin earlier
		// and end later than what they sign, so this moment suits the whole chain.
		CurrentTime: leaf.NotBefore,
	})
	if err != nil {
		return Peer{}, fmt.Errorf("session: certificate chain: %v: %w", err, ErrPeer)
	}
	id, err := identityOf(leaf)
	if err != nil {
		return Peer{}, err
	}
	if id.Federation != t.Federation || id.Role != role {
		return Peer{}, fmt.Errorf("session: peer is the %s of federation %q, wanted the %s of %q: %w",
			id.Role, id.Federation, role, t.Federation, ErrPeer)
	}
	return Peer{Identity: id, Key: PinOf(leaf), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}, nil
}

// checkKey accepts Ed25519 and ECDSA P-256 and nothing else.
func checkKey(key any) error {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	}
	return fmt.Errorf("session: key of type %T: want Ed25519 or ECDSA P-256: %w", key, ErrPeer)
}

// Credential is a side's own certificate chain and key.
type Credential struct {
	// Chain is the own certificate and that of its CA, in DER.
	Chain [][]byte
	// Key is the private key of the first certificate.
	Key ed25519.PrivateKey
}

func (c Credential) certificate() tls.Certificate {
	return tls.Certificate{Certificate: c.Chain, PrivateKey: c.Key}
}

// Validity returns the bounds of the own certificate.
func (c Credential) Validity() (notBefore, notAfter time.Time, err error) {
	if len(c.Chain) == 0 {
		return notBefore, notAfter, fmt.Errorf("session: credential without certificate: %w", ErrPeer)
	}
	leaf, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		return notBefore, notAfter, fmt.Errorf("session: own certificate: %w", err)
	}
	return leaf.NotBefore, leaf.NotAfter, nil
}
