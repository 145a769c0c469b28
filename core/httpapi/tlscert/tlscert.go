// Package tlscert gives the servers their certificate: the operator's files,
// followed when they change, or one that the daemon makes for itself and keeps
// in its data directory, to be trusted by its fingerprint.
package tlscert

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/muster-sec/muster/core/fault"
)

// Source is a certificate that may change while servers use it. It is safe for
// concurrent use.
type Source struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]time.Time // when the files were changed that current was read from
}

// FromFiles reads the operator's certificate chain and key, PEM.
func FromFiles(certFile, keyFile string) (*Source, error) {
	s := &Source{certFile: certFile, keyFile: keyFile}
	if _, err := s.load(); err != nil {
		return nil, fault.New(fault.Invalid, "tlscert: %w", err).
			WithHint("tls.cert_file and tls.key_file name a PEM certificate and its key")
	}
	return s, nil
}

// Config is a server's TLS configuration with the source behind it.
func (s *Source) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.load()
		},
	}
}

// Fingerprint is the SHA-256 of the certificate that is served, in hex.
func (s *Source) Fingerprint() (string, error) {
	cert, err := s.load()
	if err != nil {
		return "", err
	}
	return fingerprint(cert), nil
}

func fingerprint(cert *tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// load gives the certificate, read again when a file has changed. While new
// files do not fit together, as in the middle of a renewal, the old one stays.
func (s *Source) load() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, err := s.changed()
	if err == nil && s.current != nil && seen == s.seen {
		return s.current, nil
	}
	if err == nil {
		var cert tls.Certificate
		if cert, err = tls.LoadX509KeyPair(s.certFile, s.keyFile); err == nil {
			s.current, s.seen = &cert, seen
			return s.current, nil
		}
	}
	if s.current != nil {
		return s.current, nil
	}
	return nil, fmt.Errorf("read the certificate: %w", err)
}

func (s *Source) changed() (times [2]time.Time, err error) {
	for i, file := range []string{s.certFile, s.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}

// covers says whether a leaf is valid at now for some time yet, and for all hosts.
func covers(leaf *x509.Certificate, hosts []string, now time.Time) bool {
	if now.Before(leaf.NotBefore) || now.Add(renewBefore).After(leaf.NotAfter) {
		return false
	}
	for _, host := range hosts {
		if leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}
