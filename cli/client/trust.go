package client

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Fingerprint is the SHA-256 of a certificate's DER bytes.
type Fingerprint [sha256.Size]byte

// FingerprintOf names a certificate.
func FingerprintOf(cert *x509.Certificate) Fingerprint { return sha256.Sum256(cert.Raw) }

// ParseFingerprint accepts 64 hex digits in either case, with or without colons,
// also behind "SHA256:" or what openssl prints, "SHA256 Fingerprint=".
func ParseFingerprint(s string) (Fingerprint, error) {
	digits := strings.ToLower(strings.TrimSpace(s))
	for _, lead := range []string{"sha256 fingerprint=", "sha256:", "sha-256:"} {
		digits = strings.TrimPrefix(digits, lead)
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
	if err != nil || len(raw) != sha256.Size {
		return Fingerprint{}, fmt.Errorf("client: %q is not a SHA-256 fingerprint of 64 hex digits", s)
	}
	return Fingerprint(raw), nil
}

// String is the form of openssl and browsers: upper-case hex with colons.
func (f Fingerprint) String() string {
	pairs := make([]string, len(f))
	for i, b := range f {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}

// Trust says how a server proves that it is the one. Pin, when set, accepts
// exactly one certificate; else CAPEM, when set, replaces the system's roots.
type Trust struct {
	CAPEM []byte
	Pin   *Fingerprint
}

// PinError says that the server showed another certificate than the one that is
// trusted for it.
type PinError struct {
	Want, Got Fingerprint
}

// Error shows both fingerprints.
func (e *PinError) Error() string {
	return fmt.Sprintf("the server's certificate is not the trusted one: trusted %s, shown %s", e.Want, e.Got)
}

func (t Trust) tlsConfig(host string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	switch {
	case t.Pin != nil:
		pin := *t.Pin
		// The name and chain are not looked at because something stricter is:
		// the handshake proves possession of the key of this one certificate.
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = func(state tls.ConnectionState) error { return pin.verify(state) }
	case len(t.CAPEM) > 0:
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(t.CAPEM) {
			return nil, errors.New("client: the CA file holds no certificate in PEM form")
		}
	}
	return cfg, nil
}

func (f Fingerprint) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("client: the server showed no certificate")
	}
	got := FingerprintOf(state.PeerCertificates[0])
	if subtle.ConstantTimeCompare(got[:], f[:]) != 1 {
		return &PinError{Want: f, Got: got}
	}
	return nil
}

// Introduction is what a server shows of itself in a handshake.
type Introduction struct {
	Certificate *x509.Certificate
	Fingerprint Fingerprint
	// Err is nil when the system's roots vouch for the certificate and its name.
	Err error
}

// errSeen ends the handshake of Introduce once the certificate has been seen.
var errSeen = errors.New("client: certificate seen")

const introduceTimeout = 10 * time.Second

// Introduce asks a server for its certificate and verifies it against the
// system's roots. The handshake is broken off by us, so that nothing is ever
// sent to a server that nobody has agreed to trust.
func Introduce(ctx context.Context, server string) (Introduction, error) {
	u, err := ParseServer(server)
	if err != nil {
		return Introduction{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, introduceTimeout)
	defer cancel()
	var seen []*x509.Certificate
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, // the way that requests will take
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, ServerName: u.Hostname(),
			InsecureSkipVerify: true, // VerifyConnection refuses every connection
			VerifyConnection: func(state tls.ConnectionState) error {
				seen = state.PeerCertificates
				return errSeen
			},
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return Introduction{}, fmt.Errorf("client: %w", err)
	}
	resp, err := transport.RoundTrip(req)
	if err == nil {
		return Introduction{}, errors.Join(errors.New("client: a handshake that must fail did not"), resp.Body.Close())
	}
	if !errors.Is(err, errSeen) || len(seen) == 0 {
		return Introduction{}, &Unreachable{Server: u.String(), Check: failedCheck(err), Err: err}
	}
	return introduction(u.Hostname(), seen), nil
}

func introduction(host string, chain []*x509.Certificate) Introduction {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: intermediates})
	return Introduction{Certificate: chain[0], Fingerprint: FingerprintOf(chain[0]), Err: err}
}
