package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/scanner/pull"
)

// pullFlags say how to reach a registry from here.
func pullFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "username", Usage: "`NAME` to log in with at the registry"},
		passwordFlag("password-file"),
		&cli.StringFlag{Name: "ca-cert", Usage: "`FILE` with the registry's certificate authority, PEM"},
		&cli.BoolFlag{Name: "plain-http", Usage: "allow a registry without TLS"},
	}
}

func (in *invocation) pullOptions() (pull.Options, error) {
	o := pull.Options{
		Keychain: authn.DefaultKeychain, PlainHTTP: in.flags.Bool("plain-http"), UserAgent: "muster/" + in.Version,
		Platform: strings.Join(in.flags.StringSlice("platform"), ","),
	}
	if o.Platform == "all" {
		o.Platform, o.AllPlatforms = "", true
	}
	if name := in.text("username"); name != "" {
		password, err := in.password("password-file", "password for "+name+" at the registry: ", false)
		if err != nil {
			return o, err
		}
		o.Keychain = givenLogin{authn.FromConfig(authn.AuthConfig{Username: name, Password: password})}
	}
	if file := in.text("ca-cert"); file != "" {
		var err error
		if o.Transport, err = in.registryTransport(file); err != nil {
			return o, err
		}
	}
	return o, nil
}

// givenLogin is the one login that the flags give; package pull asks for the
// registry of the reference only.
type givenLogin struct{ authn.Authenticator }

// Resolve implements authn.Keychain.
func (l givenLogin) Resolve(authn.Resource) (authn.Authenticator, error) { return l.Authenticator, nil }

// registryTransport trusts a CA beside the system's roots.
func (in *invocation) registryTransport(caFile string) (http.RoundTripper, error) {
	pem, err := in.readFile(caFile)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usagef("%s holds no certificate in PEM form", caFile)
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
	}, nil
}
