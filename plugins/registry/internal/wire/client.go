package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Client asks one host of a registry. It is safe for concurrent use.
type Client struct {
	http *http.Client
	env  Env
}

// Client returns a client whose requests go through sign, which adds what they
// authenticate with and hands them on to the transport. A nil sign adds nothing.
func (t *Transport) Client(sign func(next http.RoundTripper) http.RoundTripper) *Client {
	rt := http.RoundTripper(t)
	if sign != nil {
		rt = sign(t)
	}
	return &Client{http: &http.Client{Transport: rt, CheckRedirect: sameHost}, env: t.env}
}

// sameHost refuses redirects that would let another host answer for this one.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 || !strings.EqualFold(req.URL.Host, via[0].URL.Host) {
		return http.ErrUseLastResponse
	}
	return nil
}

// Do makes a request and returns the open answer. Answers other than 200 are
// errors, see Refusal.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.Send(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.Refusal(resp)
}

// Send makes a request and returns the open answer, whatever its status is.
func (c *Client) Send(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", "muster")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, Explain(err)
	}
	return resp, nil
}

// Refusal is the error that an answer with another status than 200 is: with a
// kind, and if it is about load, with the time to try again. It reads the body.
func (c *Client) Refusal(resp *http.Response) error {
	err := Explain(transport.CheckError(resp, http.StatusOK))
	if after, ok := RetryAfter(resp.Header, c.env.Now()); ok && errors.Is(err, sdk.ErrUnavailable) {
		err = &sdk.RetryError{After: after, Err: err}
	}
	return err
}

// JSON makes a request and decodes the answer into v, a pointer. It may read
// past what v needs, not past the size limit of answers. A text that is not the
// JSON of v is an error that is ErrUnavailable, because the registry is not
// what answered, or is not itself.
func (c *Client) JSON(req *http.Request, v any) (http.Header, error) {
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Header, Decode(resp, v)
}

// Decode decodes the body of an answer as JSON does.
func Decode(resp *http.Response, v any) error {
	err := json.NewDecoder(resp.Body).Decode(v)
	if err == nil || hasKind(err) {
		return err
	}
	return fmt.Errorf("%w: the answer to %s is not the JSON of a registry: %w", sdk.ErrUnavailable, resp.Request.URL.Path, err)
}

// Get asks for u and decodes the answer as JSON does.
func (c *Client) Get(ctx context.Context, u *url.URL, v any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return c.JSON(req, v)
}

// Header returns a sign function that sets one header on requests to host and
// on no others.
func Header(host, name, value string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return &headerSetter{next: next, host: host, name: name, value: value}
	}
}

type headerSetter struct {
	next              http.RoundTripper
	host, name, value string
}

// RoundTrip sets the header on a copy of the request, as the contract of
// http.RoundTripper wants it.
func (h *headerSetter) RoundTrip(req *http.Request) (*http.Response, error) {
	if h.value != "" && strings.EqualFold(req.URL.Host, h.host) {
		req = req.Clone(req.Context())
		req.Header.Set(h.name, h.value)
	}
	return h.next.RoundTrip(req)
}
