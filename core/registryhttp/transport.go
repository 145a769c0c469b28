package registryhttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/pull"
)

// Transport is the way to one registry. It is safe for concurrent use; close it
// when the work is done.
type Transport struct {
	hosts   *Hosts
	base    *http.Transport
	guarded http.RoundTripper // base, where the registry may send to
	manners manners
	host    string // of the registry itself; others are asked without a limit
}

var _ http.RoundTripper = (*Transport)(nil)

// Transport makes the way to a registry. It trusts the system's roots and the
// registry's own CA; the error is fault.Invalid.
func (h *Hosts) Transport(r model.Registry) (*Transport, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.Invalid, "the URL of registry %s names no host", r.Name)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	if r.CACert != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM([]byte(r.CACert)) {
			return nil, fault.New(fault.Invalid, "the CA certificate of registry %s is no PEM certificate", r.Name)
		}
		base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	guarded := pull.Guard(base, u.Host, IsPlain(r.URL), nil)
	return &Transport{hosts: h, base: base, guarded: guarded, manners: mannersOf(r), host: u.Host}, nil
}

// Close gives the idle connections back.
func (t *Transport) Close() { t.base.CloseIdleConnections() }

// RoundTrip makes one request when its turn has come, to where pull.Guard lets
// it go: client libraries fall back to plain HTTP for private addresses, and
// would send the credentials along. An answer that says "later" holds the host
// and is an error that is fault.Unavailable and knows when to try again.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.EqualFold(req.URL.Host, t.host) {
		return t.guarded.RoundTrip(req) // a token service or a store of blobs
	}
	host := t.hosts.of(t.host, t.manners)
	if err := host.enter(req.Context(), t.hosts.now); err != nil {
		return nil, err
	}
	resp, err := t.guarded.RoundTrip(req)
	if err != nil {
		host.leave()
		return nil, err
	}
	if err := t.later(host, resp); err != nil {
		host.leave()
		return nil, errors.Join(err, resp.Body.Close())
	}
	resp.Body = &slotBody{ReadCloser: resp.Body, leave: sync.OnceFunc(host.leave)}
	return resp, nil
}

// later says that an answer is about load, and holds the host.
func (t *Transport) later(h *host, resp *http.Response) error {
	now := t.hosts.now()
	wait, told := retryAfter(resp.Header, now)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests && !told:
		wait = defaultHold
	case resp.StatusCode == http.StatusTooManyRequests:
	case resp.StatusCode == http.StatusServiceUnavailable && told:
	default:
		return nil
	}
	wait = min(max(wait, 0), longestHold)
	why := fmt.Sprintf("%s answered HTTP %s", t.host, resp.Status)
	h.hold(now.Add(wait), why)
	return fault.New(fault.Unavailable, "%s", why).WithRetryAfter(wait)
}

// slotBody lets the next request begin when it is closed.
type slotBody struct {
	io.ReadCloser
	leave func()
}

// Close implements io.Closer.
func (b *slotBody) Close() error {
	defer b.leave()
	return b.ReadCloser.Close()
}

// IsPlain says whether a registry is asked without TLS.
func IsPlain(address string) bool { return strings.HasPrefix(strings.ToLower(address), "http://") }

// Auth is a credential as the client library wants it.
func Auth(c model.Credential) authn.Authenticator {
	switch {
	case c.Token != "":
		return authn.FromConfig(authn.AuthConfig{RegistryToken: c.Token.Reveal()})
	case c.Username != "" || c.Password != "":
		return authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Password.Reveal()})
	}
	return authn.Anonymous
}
