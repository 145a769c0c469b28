package pull_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/scanner/pull"
)

// network is hosts without sockets. It notes who was asked and who was told the
// secret.
type network struct {
	hosts map[string]http.HandlerFunc // by host as the URL writes it
	names map[string]string           // addresses

	mu    sync.Mutex
	asked []string
	told  []string
}

const secret = "hunter2"

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	heard := string(body) + r.URL.String() + fmt.Sprint(r.Header)
	if _, password, ok := r.BasicAuth(); ok {
		heard += password
	}
	n.mu.Lock()
	n.asked = append(n.asked, r.URL.Host)
	if strings.Contains(heard, secret) || strings.Contains(heard, "token-for") {
		n.told = append(n.told, r.URL.Host)
	}
	n.mu.Unlock()
	serve, ok := n.hosts[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("no host %s", r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI, in.Body = r.URL.Host, r.URL.RequestURI(), io.NopCloser(strings.NewReader(string(body)))
	w := httptest.NewRecorder()
	serve(w, in)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// LookupNetIP implements pull.Resolver.
func (n *network) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	a, ok := n.names[host]
	if !ok {
		return nil, &net.DNSError{Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr(a)}, nil
}

func (n *network) wasTold() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.Sort(n.told)
	return slices.Compact(n.told)
}

func (n *network) wasAsked(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.asked, host)
}

// newNetwork has a registry at host with one image, behind the door.
func newNetwork(t *testing.T, host, address string, door func(w http.ResponseWriter, r *http.Request, next http.Handler)) *network {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	n := &network{
		names: map[string]string{
			host: address, "blobs.example": "203.0.113.7", "auth.example": "203.0.113.8", "evil.example": "203.0.113.9",
			"inside.example": "10.0.0.5", "localhost": "127.0.0.1", "rebound.example": "169.254.169.254",
		},
		hosts: map[string]http.HandlerFunc{host: inner.ServeHTTP},
	}
	r, err := name.ParseReference(host + "/shop/web:1.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, sample(t, "amd64"), remote.WithTransport(n)); err != nil {
		t.Fatal(err)
	}
	store := func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(w, r) }
	for _, h := range []string{
		"blobs.example", "inside.example", "localhost", "rebound.example", "127.0.0.1:9000", "10.0.0.5", "[::1]", "[::ffff:127.0.0.1]",
		"169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0", "100.64.0.1", "[64:ff9b::7f00:1]", "192.168.1.1", "203.0.113.7",
	} {
		n.hosts[h] = store
	}
	n.hosts[host] = func(w http.ResponseWriter, r *http.Request) { door(w, r, inner) }
	n.asked, n.told = nil, nil
	return n
}

// TestBlobsMayLieElsewhereButNotInside redirects blobs, as registries do whose
// blobs lie in an object store, and as one does that wants to reach what only
// this machine reaches.
func TestBlobsMayLieElsewhereButNotInside(t *testing.T) {
	t.Parallel()
	const atPublic, atPrivate, atLoopback = "203.0.113.1", "10.0.0.2", "127.0.0.1"
	for _, tt := range []struct {
		registry, to string
		plain        bool
		want         error
	}{
		{registry: atPublic, to: "https://blobs.example"},
		{registry: atPublic, to: "https://203.0.113.7"},
		{registry: atPublic, to: "http://blobs.example", want: pull.ErrInsecure},
		{registry: atPublic, to: "http://blobs.example", plain: true, want: pull.ErrInsecure},
		{registry: atPublic, to: "https://127.0.0.1:9000", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://localhost", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://[::1]", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://[::ffff:127.0.0.1]", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://[64:ff9b::7f00:1]", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://0.0.0.0", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://169.254.169.254", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://rebound.example", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://[fe80::1]", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://[fd00:ec2::254]", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://100.64.0.1", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://10.0.0.5", want: pull.ErrElsewhere},
		{registry: atPublic, to: "https://inside.example", want: pull.ErrElsewhere},
		{registry: atPrivate, to: "https://inside.example"},
		{registry: atPrivate, to: "https://192.168.1.1"},
		{registry: atPrivate, to: "https://blobs.example"},
		{registry: atPrivate, to: "https://localhost", want: pull.ErrElsewhere},
		{registry: atPrivate, to: "https://169.254.169.254", want: pull.ErrElsewhere},
		{registry: atPrivate, to: "https://[fd00:ec2::254]", want: pull.ErrElsewhere},
		{registry: atLoopback, to: "https://localhost"},
		{registry: atLoopback, to: "https://10.0.0.5", want: pull.ErrElsewhere},
		{registry: "169.254.1.1", to: "https://169.254.169.254", want: pull.ErrElsewhere},
	} {
		t.Run(fmt.Sprint(tt.registry, " to ", tt.to, " ", tt.plain), func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, "registry.example", tt.registry, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				switch _, password, _ := r.BasicAuth(); {
				case password != secret:
					w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
					w.WriteHeader(http.StatusUnauthorized)
				case strings.Contains(r.URL.Path, "/blobs/"):
					http.Redirect(w, r, tt.to+r.URL.Path, http.StatusTemporaryRedirect)
				default:
					next.ServeHTTP(w, r)
				}
			})
			o := pull.Options{Transport: n, Resolver: n, PlainHTTP: tt.plain, Keychain: passwords{}}
			images, err := pull.Open(t.Context(), "registry.example/shop/web:1.0", o)
			if !errors.Is(err, tt.want) || (err == nil) != (len(images) == 1) {
				t.Errorf("%d images, error %v; want error %v", len(images), err, tt.want)
			}
			if host := strings.SplitN(tt.to, "//", 2)[1]; n.wasAsked(host) != (tt.want == nil) {
				t.Errorf("%s was asked: %v", host, n.wasAsked(host))
			}
			if diff := cmp.Diff([]string{"registry.example"}, n.wasTold()); diff != "" {
				t.Errorf("hosts that were told the password (-want +got):\n%s", diff)
			}
		})
	}
}

// tokens is a keychain with one long-lived token.
type tokens struct{}

func (tokens) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{IdentityToken: secret}), nil
}

type passwords struct{}

func (passwords) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "user", Password: secret}, nil
}

// TestTokenServices has a registry name the place where its credentials are to
// be sent: Docker Hub's is another host, so that is allowed over TLS.
func TestTokenServices(t *testing.T) {
	t.Parallel()
	const at = "203.0.113.1"
	for _, tt := range []struct {
		name, realm string
		registry    string
		keys        authn.Keychain
		ok          bool
		told        []string
	}{
		{name: "own host", realm: "https://registry.example/token", ok: true, told: []string{"registry.example"}},
		{name: "another host over TLS", realm: "https://auth.example/token", ok: true, told: []string{"auth.example", "registry.example"}},
		{name: "own host without TLS", realm: "http://registry.example/token"},
		{name: "another host without TLS", realm: "http://auth.example/token"},
		{name: "another protocol", realm: "ftp://auth.example/token"},
		{name: "no address", realm: "https://%zz"},
		{name: "metadata", realm: "https://169.254.169.254/token"},
		{name: "a name of metadata", realm: "https://rebound.example/token"},
		{name: "this machine", realm: "https://localhost/token"},
		{name: "inside", realm: "https://inside.example/token"},
		{name: "inside, as the registry", registry: "10.0.0.2", realm: "https://inside.example/token", told: []string{"inside.example"}},
		{name: "a redirect", realm: "https://auth.example/elsewhere", ok: true, told: []string{"auth.example", "registry.example"}},
		{name: "a redirect with a token in the body", realm: "https://auth.example/elsewhere", keys: tokens{}, told: []string{"auth.example"}},
		{name: "a redirect to the inside", realm: "https://auth.example/inside", told: []string{"auth.example"}},
		{name: "a redirect without TLS", realm: "https://auth.example/plain", told: []string{"auth.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token := func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/elsewhere":
					http.Redirect(w, r, "https://evil.example/token", http.StatusTemporaryRedirect)
				case "/inside":
					http.Redirect(w, r, "https://169.254.169.254/token", http.StatusTemporaryRedirect)
				case "/plain":
					http.Redirect(w, r, "http://auth.example/token", http.StatusTemporaryRedirect)
				default:
					_, _ = io.WriteString(w, `{"token":"token-for-the-registry"}`)
				}
			}
			address := at
			if tt.registry != "" {
				address = tt.registry
			}
			n := newNetwork(t, "registry.example", address, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				switch {
				case r.URL.Path == "/token":
					token(w, r)
				case r.Header.Get("Authorization") != "Bearer token-for-the-registry":
					w.Header().Set("WWW-Authenticate", `Bearer realm="`+tt.realm+`",service="x"`)
					w.WriteHeader(http.StatusUnauthorized)
				default:
					next.ServeHTTP(w, r)
				}
			})
			n.hosts["auth.example"], n.hosts["evil.example"] = token, token
			keys := tt.keys
			if keys == nil {
				keys = passwords{}
			}
			_, err := pull.Open(t.Context(), "registry.example/shop/web:1.0", pull.Options{Transport: n, Resolver: n, Keychain: keys})
			if (err == nil) != tt.ok && tt.registry == "" {
				t.Errorf("error %v, want success: %v", err, tt.ok)
			}
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("user:"+secret)))) {
				t.Errorf("the error shows the password: %v", err)
			}
			if diff := cmp.Diff(tt.told, n.wasTold()); diff != "" {
				t.Errorf("hosts that were told a secret (-want +got):\n%s", diff)
			}
		})
	}
}

// TestANameWithTwoAnswers connects to this machine though the name had a public
// address when it was looked up. What a proxy connects to is its business.
func TestANameWithTwoAnswers(t *testing.T) {
	t.Parallel()
	for _, proxied := range []bool{false, true} {
		var asked atomic.Bool
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
		t.Cleanup(server.Close)
		address, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		var dialer net.Dialer
		tr := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address.Host)
		}}
		t.Cleanup(tr.CloseIdleConnections)
		if proxied {
			tr.Proxy = http.ProxyURL(address)
		}
		names := &network{names: map[string]string{"registry.example": "203.0.113.1", "blobs.example": "203.0.113.7"}}
		client := http.Client{Transport: pull.Guard(tr, "registry.example", true, names)}
		resp, err := client.Get("http://blobs.example/blob")
		if err == nil {
			err = resp.Body.Close()
		}
		if errors.Is(err, pull.ErrElsewhere) == proxied || asked.Load() != proxied {
			t.Errorf("by proxy %v: error %v, the server was asked: %v", proxied, err, asked.Load())
		}
	}
}
