package oci

import (
	"crypto/x509"
	_ "embed" // the schema
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Schema is the JSON Schema of the configuration.
//
//go:embed schema.json
var Schema string

// source is a checked configuration.
type source struct {
	sdk.RegistrySettings
	registry name.Registry
	plain    bool // http
	roots    *x509.CertPool
}

// readConfig checks everything that can be checked without a network.
func readConfig(cfg sdk.Config) (*source, error) {
	s := &source{}
	if err := cfg.Decode(&s.RegistrySettings); err != nil {
		return nil, err
	}
	if err := errors.Join(s.checkURL(), s.checkCA(), s.checkCredential(), s.checkRepositories()); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return s, nil
}

func (s *source) checkURL() error {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil:
		return errors.New("url: not an address; write https://HOST[:PORT]") // err would repeat a password in it
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return errors.New("url: write https://HOST[:PORT], or http:// for a registry without TLS")
	case u.User != nil:
		return errors.New("url: put user name and password into their own settings")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("url: write https://HOST[:PORT] without a query")
	case u.Path != "" && u.Path != "/":
		return fmt.Errorf("url: the API is at the root of %s; the path %q belongs into the names under `repositories`", u.Host, u.Path)
	}
	s.plain = u.Scheme == "http"
	options := []name.Option{name.StrictValidation}
	if s.plain {
		options = append(options, name.Insecure)
	}
	if s.registry, err = name.NewRegistry(u.Host, options...); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	return nil
}

func (s *source) checkCA() error {
	if s.CA == "" {
		return nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a system without roots of its own
	}
	if !roots.AppendCertsFromPEM([]byte(s.CA)) {
		return errors.New("ca: there is no PEM certificate in it")
	}
	s.roots = roots
	return nil
}

func (s *source) checkCredential() error {
	switch {
	case s.Token != "" && (s.Username != "" || s.Password != ""):
		return errors.New("token: excludes username and password")
	case (s.Username == "") != (s.Password == ""):
		return errors.New("username and password: set both or none")
	default:
		return nil
	}
}

func (s *source) checkRepositories() error {
	for _, r := range s.Repositories {
		if _, err := s.repository(r); err != nil {
			return fmt.Errorf("repositories: %w", err)
		}
	}
	return nil
}

// repository checks a repository's name and gives it its full form, which on
// Docker Hub has "library/" in front of a single word.
func (s *source) repository(repo string) (name.Repository, error) {
	if s.registry.Name() == "" {
		return name.Repository{}, errors.New("there is no registry") // url was wrong too
	}
	r, err := name.NewRepository(s.registry.Name() + "/" + repo)
	if err != nil {
		return name.Repository{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return r, nil
}

func (s *source) explicit(repo string) bool { return slices.Contains(s.Repositories, repo) }

func (s *source) authenticator() authn.Authenticator {
	switch {
	case s.Token != "":
		return authn.FromConfig(authn.AuthConfig{RegistryToken: s.Token})
	case s.Username != "":
		return authn.FromConfig(authn.AuthConfig{Username: s.Username, Password: s.Password})
	default:
		return authn.Anonymous
	}
}

func (s *source) scheme() string {
	if s.plain {
		return "http"
	}
	return "https"
}
