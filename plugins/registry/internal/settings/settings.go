// Package settings checks the part of a registry's configuration that all kinds
// of registries have: the address, the CA, the credential, the repositories and
// the manners.
package settings

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Base are the settings of every kind. A kind embeds it among its own.
type Base struct {
	sdk.RegistrySettings
	wire.Manners
}

// Place is a checked address: where a registry is, and which part of it is meant.
type Place struct {
	Registry  name.Registry
	Plain     bool   // http
	Namespace string // the path of the address without slashes around it
	Roots     *x509.CertPool
}

// Check checks all but the credential, which means something else for every
// kind, and returns the place. The error says everything that is wrong, and is
// ErrInvalid.
func (b *Base) Check() (Place, error) {
	p, err := b.place()
	if err == nil {
		err = b.checkRepositories(p)
	}
	p.Roots, err = joinRoots(b.CA, err)
	if err = errors.Join(err, b.Manners.Check()); err != nil {
		return Place{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return p, nil
}

func (b *Base) place() (Place, error) {
	u, err := Address("url", b.URL)
	if err != nil {
		return Place{}, err
	}
	p := Place{Plain: u.Scheme == "http", Namespace: strings.Trim(u.Path, "/")}
	options := []name.Option{name.StrictValidation}
	if p.Plain {
		options = append(options, name.Insecure)
	}
	if p.Registry, err = name.NewRegistry(u.Host, options...); err != nil {
		return Place{}, fmt.Errorf("url: %w", err)
	}
	if p.Namespace != "" && path.Clean(p.Namespace) != p.Namespace {
		return Place{}, fmt.Errorf("url: the path %q is no name", p.Namespace)
	}
	return p, nil
}

// Address reads the address in a setting. The error does not repeat it, because
// it may hold a password.
func Address(setting, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: not an address; write https://HOST[:PORT]", setting)
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, fmt.Errorf("%s: write https://HOST[:PORT], or http:// for a registry without TLS", setting)
	case u.User != nil:
		return nil, fmt.Errorf("%s: put user name and password into their own settings", setting)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: write https://HOST[:PORT] without a query", setting)
	}
	return u, nil
}

func joinRoots(ca string, err error) (*x509.CertPool, error) {
	if ca == "" {
		return nil, err
	}
	roots, systemErr := x509.SystemCertPool()
	if systemErr != nil {
		roots = x509.NewCertPool() // a system without roots of its own
	}
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		return nil, errors.Join(err, errors.New("ca: there is no PEM certificate in it"))
	}
	return roots, err
}

func (b *Base) checkRepositories(p Place) error {
	for _, r := range b.Repositories {
		if _, err := p.Repository(r); err != nil {
			return fmt.Errorf("repositories: %w", err)
		}
	}
	return nil
}

// Repository checks a repository's name and gives it its full form, which on
// Docker Hub has "library/" in front of a single word. The error is ErrInvalid.
func (p Place) Repository(repository string) (name.Repository, error) {
	r, err := name.NewRepository(p.Registry.Name() + "/" + repository)
	if err == nil && path.Clean(repository) != repository {
		err = fmt.Errorf("%.255q is no name of a repository", repository)
	}
	if err != nil {
		return name.Repository{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return r, nil
}

// Within says whether a repository is in the namespace of the address, which
// has several levels on some registries.
func (p Place) Within(repository string) bool {
	return p.Namespace == "" || repository == p.Namespace || strings.HasPrefix(repository, p.Namespace+"/")
}

// URL returns an address on the registry's host.
func (p Place) URL(path string) *url.URL {
	scheme := "https"
	if p.Plain {
		scheme = "http"
	}
	return &url.URL{Scheme: scheme, Host: p.Registry.RegistryStr(), Path: path}
}

// Transport returns the lowest layer of requests to the registry.
func (b *Base) Transport(p Place, env wire.Env) *wire.Transport {
	return wire.New(wire.Options{Plain: p.Plain, Roots: p.Roots, Manners: b.Manners, Env: env})
}

// Login checks that user name and password are set both or not at all.
func (b *Base) Login() error {
	if (b.Username == "") != (b.Password == "") {
		return errors.New("username and password: set both or none")
	}
	return nil
}

// Basic returns the credential that user name and password are, anonymous if
// they are not set.
func (b *Base) Basic() sdk.Credential {
	return sdk.Credential{Username: b.Username, Password: b.Password}
}

// SignBasic returns a sign function, see wire.Client, that presents user name
// and password to host.
func (b *Base) SignBasic(host string) func(http.RoundTripper) http.RoundTripper {
	if b.Username == "" {
		return nil
	}
	req := &http.Request{Header: http.Header{}}
	req.SetBasicAuth(b.Username, b.Password)
	return wire.Header(host, "Authorization", req.Header.Get("Authorization"))
}
