// Package client speaks the native API /api/v1 over HTTPS. It is what the
// commands are made of and knows nothing of flags, files or terminals. Every
// method answers with the values of core/httpapi/api, or with an *Error (the
// daemon refused), or with an *Unreachable (no answer that can be trusted).
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	prefix = "/api/v1"

	maxBody      = 256 << 20 // an image's report with all its packages fits well
	maxErrorBody = 64 << 10

	defaultTimeout = 30 * time.Second
	// longTimeout is for calls that carry documents or reach through to a registry.
	longTimeout = 10 * time.Minute
)

// Credential opens the API: a session token, or an API key "name:secret". Both
// empty means none. The key wins when both are set.
type Credential struct {
	Token  string
	APIKey string
}

// Config says where a daemon is and how to speak with it.
type Config struct {
	Server     string // an https URL; see ParseServer
	Trust      Trust
	Credential Credential
	UserAgent  string
}

// Client is a daemon's API. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	http  *http.Client
	cred  Credential
	agent string
}

// New makes a client; it does not connect. The server must be an https URL.
func New(cfg Config) (*Client, error) {
	base, err := ParseServer(cfg.Server)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.Trust.tlsConfig(base.Hostname())
	if err != nil {
		return nil, err
	}
	return &Client{
		base: base,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				TLSClientConfig:       tlsConfig,
				TLSHandshakeTimeout:   10 * time.Second,
				ResponseHeaderTimeout: longTimeout,
				ForceAttemptHTTP2:     true,
			},
			// A redirect could carry the credential elsewhere; the API has none.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		cred:  cfg.Credential,
		agent: cfg.UserAgent,
	}, nil
}

// Server is the daemon's URL.
func (c *Client) Server() string { return c.base.String() }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// defaultPort is where a daemon listens when only its host is named.
const defaultPort = "10443"

// ParseServer accepts https://HOST[:PORT] or HOST[:PORT]; the short form without
// a port means muster's own, 10443. Plain http is refused: a token or password
// would travel readable.
func ParseServer(s string) (*url.URL, error) {
	short := !strings.Contains(s, "://")
	if short {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: server: %w", withoutURL(err))
	case u.Scheme != "https":
		return nil, fmt.Errorf("client: server %q: only https is spoken", u.Redacted())
	case u.Hostname() == "":
		return nil, fmt.Errorf("client: server %q names no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("client: server %q: use https://HOST:PORT only", u.Redacted())
	}
	if short && u.Port() == "" {
		u.Host += ":" + defaultPort
	}
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// withoutURL drops the URL that url.Error repeats: it may hold a password.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// call is one request of the API.
type call struct {
	method string
	path   string
	query  url.Values
	body   any       // sent as JSON
	stream io.Reader // sent as it is, instead of body
	long   bool      // may take minutes
}

// path joins segments below the API's prefix; each is escaped.
func path(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return "/" + strings.Join(escaped, "/")
}

// send makes the call and decodes the answer into out, which may be nil.
func (c *Client) send(ctx context.Context, in call, out any) error {
	timeout := defaultTimeout
	if in.long {
		timeout = longTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(ctx, in)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or abandoned
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return refused(in, resp)
	}
	if out == nil {
		return nil
	}
	return c.decode(resp, out)
}

func (c *Client) request(ctx context.Context, in call) (*http.Request, error) {
	var body io.Reader
	contentType := "application/octet-stream"
	if in.stream != nil {
		body = io.NopCloser(in.stream) // it is the caller's to close
	}
	if in.body != nil {
		encoded, err := json.Marshal(in.body)
		if err != nil {
			return nil, fmt.Errorf("client: encode request: %w", err)
		}
		body, contentType = bytes.NewReader(encoded), "application/json"
	}
	target := c.base.String() + prefix + in.path
	if len(in.query) > 0 {
		target += "?" + in.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, in.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	switch {
	case c.cred.APIKey != "":
		req.Header.Set("X-Muster-Apikey", c.cred.APIKey)
	case c.cred.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.cred.Token)
	}
	return req, nil
}

func (c *Client) decode(resp *http.Response, out any) error {
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "application/json" {
		return &Unreachable{
			Server: c.Server(), Check: "the answer is JSON",
			Err: fmt.Errorf("the server answered %q: it is not muster's API", kind),
		}
	}
	body := &io.LimitedReader{R: resp.Body, N: maxBody + 1}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		if body.N <= 0 {
			err = fmt.Errorf("the answer is larger than %d bytes", maxBody)
		}
		return &Unreachable{Server: c.Server(), Check: "read the answer", Err: err}
	}
	return nil
}

// get fetches one value.
func get[T any](ctx context.Context, c *Client, p string) (T, error) {
	return ask[T](ctx, c, call{method: http.MethodGet, path: p})
}

// ask makes a call that answers with one value.
func ask[T any](ctx context.Context, c *Client, in call) (T, error) {
	var out T
	err := c.send(ctx, in, &out)
	return out, err
}
