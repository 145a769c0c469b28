package tlscert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	validity    = 5 * 365 * 24 * time.Hour
	backdate    = 24 * time.Hour // for clients whose clock is behind
	renewBefore = 30 * 24 * time.Hour
	file        = "api.pem" // certificate and key in one file, so that they always fit
)

// SelfSigned gives the certificate kept in a directory, or makes it: a P-256
// key, for localhost and hosts (names and addresses). It is made anew when it
// is about to expire or does not cover the hosts.
func SelfSigned(dir string, hosts []string, now time.Time) (*Source, error) {
	path := filepath.Join(dir, file)
	hosts = append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)
	ok, err := usable(path, hosts, now)
	if err != nil {
		return nil, err
	}
	if !ok {
		if err := create(path, hosts, now); err != nil {
			return nil, fmt.Errorf("tlscert: make a certificate: %w", err)
		}
	}
	s := &Source{certFile: path, keyFile: path}
	if _, err := s.load(); err != nil {
		return nil, fmt.Errorf("tlscert: %w", err)
	}
	return s, nil
}

func usable(path string, hosts []string, now time.Time) (bool, error) {
	cert, err := tls.LoadX509KeyPair(path, path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("tlscert: read the certificate kept in %s: %w", path, err)
	}
	return covers(cert.Leaf, hosts, now), nil
}

func create(path string, hosts []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "muster"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	body := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	body = append(body, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	return replace(path, body)
}

// replace writes a file, mode 0600, whole or not at all.
func replace(path string, body []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".cert-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(body)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
