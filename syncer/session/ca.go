package session

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

const (
	// Lifetime is how long a certificate of a primary or a member lives.
	Lifetime = 7 * 24 * time.Hour
	// Backdate is how long before its making a certificate begins to be valid.
	Backdate = 24 * time.Hour

	caLifetime = 10 * 365 * 24 * time.Hour
)

// CA issues the certificates of one federation. It is safe for concurrent use.
type CA struct {
	federation string
	cert       *x509.Certificate
	key        ed25519.PrivateKey
}

// NewCA makes the CA of a federation.
func NewCA(federation string, now time.Time) (*CA, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("session: make CA key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "muster federation " + federation},
		NotBefore: now.Add(-2 * Backdate), NotAfter: now.Add(caLifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := sign(template, template, public, key)
	if err != nil {
		return nil, err
	}
	return LoadCA(federation, der, key)
}

// LoadCA returns a CA from its stored parts, see [CA.Certificate] and [CA.Key].
func LoadCA(federation string, certificate []byte, key ed25519.PrivateKey) (*CA, error) {
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("session: CA certificate: %w", err)
	}
	public, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PrivateKeySize || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("session: CA key does not belong to its certificate: %w", ErrPeer)
	}
	return &CA{federation: federation, cert: cert, key: key}, nil
}

// Certificate returns the CA's certificate in DER.
func (c *CA) Certificate() []byte { return c.cert.Raw }

// Key returns the CA's private key, to be stored sealed.
func (c *CA) Key() ed25519.PrivateKey { return c.key }

// Pin returns the pin of the CA's key.
func (c *CA) Pin() Pin { return PinOf(c.cert) }

// Trust returns what a side trusts that trusts this CA alone.
func (c *CA) Trust() Trust { return Trust{Federation: c.federation, Pins: []Pin{c.Pin()}} }

// IssuePrimary makes a key and a certificate for the primary itself.
func (c *CA) IssuePrimary(now time.Time) (Credential, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Credential{}, fmt.Errorf("session: make key: %w", err)
	}
	chain, err := c.issue(Identity{Federation: c.federation, Role: RolePrimary}, public, now)
	return Credential{Chain: chain, Key: key}, err
}

// IssueMember makes a certificate for the key of a request, whatever else the
// request says. The chain is leaf first, in DER.
func (c *CA) IssueMember(id string, request *x509.CertificateRequest, now time.Time) ([][]byte, error) {
	if err := checkRequest(request); err != nil {
		return nil, err
	}
	return c.issue(Identity{Federation: c.federation, Role: RoleMember, ID: id}, request.PublicKey, now)
}

func (c *CA) issue(id Identity, public crypto.PublicKey, now time.Time) ([][]byte, error) {
	usage := x509.ExtKeyUsageServerAuth
	if id.Role == RoleMember {
		usage = x509.ExtKeyUsageClientAuth
	}
	uri := id.uri()
	if back, err := identityOf(&x509.Certificate{URIs: []*url.URL{uri}}); err != nil || back != id {
		return nil, fmt.Errorf("session: %q cannot stand in a certificate: %w", id.ID, ErrPeer)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: string(id.Role)},
		NotBefore: now.Add(-Backdate), NotAfter: now.Add(Lifetime),
		URIs:     []*url.URL{uri},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
	der, err := sign(template, c.cert, public, c.key)
	if err != nil {
		return nil, err
	}
	return [][]byte{der, c.cert.Raw}, nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key ed25519.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("session: serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("session: sign certificate: %w", err)
	}
	return der, nil
}

// NewRequest returns a certificate request for key, in DER.
func NewRequest(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("session: certificate request: %w", err)
	}
	return der, nil
}

// parseRequest decodes a certificate request and proves that its sender has the key.
func parseRequest(der []byte) (*x509.CertificateRequest, error) {
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("session: certificate request: %v: %w", err, ErrPeer)
	}
	return request, checkRequest(request)
}

func checkRequest(request *x509.CertificateRequest) error {
	if err := request.CheckSignature(); err != nil {
		return fmt.Errorf("session: certificate request: %v: %w", err, ErrPeer)
	}
	return checkKey(request.PublicKey)
}
