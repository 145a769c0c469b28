package pull

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrElsewhere says that a registry sent a request to where it may not go: to an
// address inside this network that is not its own, or with what it was told to
// another host.
var ErrElsewhere = errors.New("pull: address refused")

// lookupTime bounds the resolving of one name.
const lookupTime = 10 * time.Second

// Guard returns a transport for the requests to one registry ("host[:port]")
// and to wherever it redirects: object stores that hold blobs, and the token
// service that its challenge names. The registry's own address was chosen by
// whoever configured it; all others are chosen by the registry, and so are
// checked:
//
//   - Without plain, every request is made over TLS; with it, what began with
//     TLS goes on with TLS.
//   - Addresses that are not public (loopback, link-local, private) are reached
//     only when the registry is itself at an address of that kind, and services
//     that give out a machine's credentials never.
//   - A redirect to another host repeats no body: token requests have
//     credentials in theirs.
//
// That no header with credentials goes to another host is the business of the
// layers above, which know where a header belongs. Names are resolved before the
// request and, when no proxy does the connecting, compared with the address that
// was connected to, because a name may have another address the second time.
//
// A nil resolver is the system's.
func Guard(next http.RoundTripper, host string, plain bool, r Resolver) http.RoundTripper {
	if r == nil {
		r = net.DefaultResolver
	}
	return &guard{next: next, host: host, plain: plain, resolver: r}
}

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

type guard struct {
	next     http.RoundTripper
	host     string
	plain    bool
	resolver Resolver

	mu    sync.Mutex
	known bool
	own   []zone // of the registry's addresses
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	from := cameFrom(req)
	if req.URL.Scheme != "https" && (!g.plain || from != nil && from.URL.Scheme == "https") {
		return nil, fmt.Errorf("%w: %s://%s", ErrInsecure, req.URL.Scheme, req.URL.Host)
	}
	if strings.EqualFold(req.URL.Host, g.host) {
		return g.next.RoundTrip(req)
	}
	if from != nil && req.Body != nil && req.Body != http.NoBody && !strings.EqualFold(from.URL.Host, req.URL.Host) {
		return nil, fmt.Errorf("%w: %s redirects a request with a body to %s", ErrElsewhere, from.URL.Host, req.URL.Host)
	}
	if err := g.checkName(req); err != nil {
		return nil, err
	}
	var reached error
	ctx := req.Context()
	if direct(g.next, req) {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			// Nothing has been written yet, and on a closed connection nothing will be.
			if err := g.checkAddress(req.Context(), req.URL.Host, addressOf(info.Conn)); err != nil {
				reached = errors.Join(err, info.Conn.Close())
			}
		}})
	}
	resp, err := g.next.RoundTrip(req.WithContext(ctx))
	if reached != nil {
		if resp != nil {
			reached = errors.Join(reached, resp.Body.Close())
		}
		return nil, reached
	}
	return resp, err
}

// cameFrom is the request whose answer redirected to this one; nil for a first.
func cameFrom(req *http.Request) *http.Request {
	if req.Response == nil {
		return nil
	}
	return req.Response.Request
}

// checkName judges all addresses that the request's host may have. A name that
// cannot be resolved here is left to the proxy, or to the connection's failure.
func (g *guard) checkName(req *http.Request) error {
	for _, a := range g.resolve(req.Context(), req.URL.Hostname()) {
		if err := g.checkAddress(req.Context(), req.URL.Host, a); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) checkAddress(ctx context.Context, host string, a netip.Addr) error {
	z := zoneOf(a)
	if z == public || z != metadata && slices.Contains(g.ownZones(ctx), z) {
		return nil
	}
	return fmt.Errorf("%w: registry %s sends to %s, whose address %s is %s; only a registry that is at such an address itself may do that",
		ErrElsewhere, g.host, host, a, z)
}

// ownZones are the kinds of the registry's own addresses.
func (g *guard) ownZones(ctx context.Context) []zone {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known {
		host := g.host
		if h, _, err := net.SplitHostPort(g.host); err == nil {
			host = h
		}
		for _, a := range g.resolve(ctx, host) {
			g.own = append(g.own, zoneOf(a))
		}
		g.known = len(g.own) > 0
	}
	return g.own
}

func (g *guard) resolve(ctx context.Context, host string) []netip.Addr {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []netip.Addr{a}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addresses, err := g.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	return addresses
}

// direct says that the transport connects to the request's host itself.
func direct(next http.RoundTripper, req *http.Request) bool {
	t, ok := next.(*http.Transport)
	if !ok {
		return false
	}
	if t.Proxy == nil {
		return true
	}
	proxy, err := t.Proxy(req)
	return err == nil && proxy == nil
}

func addressOf(c net.Conn) netip.Addr {
	if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		return a.Addr()
	}
	return netip.Addr{}
}
