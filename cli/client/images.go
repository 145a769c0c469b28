package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// Registries lists the registries with their last runs.
func (c *Client) Registries(ctx context.Context) (api.List[api.Registry], error) {
	return get[api.List[api.Registry]](ctx, c, "/registries")
}

// Registry gives one registry.
func (c *Client) Registry(ctx context.Context, name string) (api.Registry, error) {
	return get[api.Registry](ctx, c, path("registries", name))
}

// AddRegistry stores a new registry.
func (c *Client) AddRegistry(ctx context.Context, r api.Registry) (api.Registry, error) {
	return ask[api.Registry](ctx, c, call{method: http.MethodPost, path: "/registries", body: r})
}

// UpdateRegistry changes what the patch names.
func (c *Client) UpdateRegistry(ctx context.Context, name string, p RegistryPatch) (api.Registry, error) {
	return ask[api.Registry](ctx, c, call{method: http.MethodPatch, path: path("registries", name), body: p})
}

// RemoveRegistry removes a registry and its scan results.
func (c *Client) RemoveRegistry(ctx context.Context, name string) error {
	return c.send(ctx, call{method: http.MethodDelete, path: path("registries", name)}, nil)
}

// TestRegistry tries a stored registry, step by step.
func (c *Client) TestRegistry(ctx context.Context, name string) (api.List[api.DiagnosisStep], error) {
	return ask[api.List[api.DiagnosisStep]](ctx, c, call{method: http.MethodPost, path: path("registries", name, "test"), long: true})
}

// TryRegistry tries a registry that is not stored.
func (c *Client) TryRegistry(ctx context.Context, r api.Registry) (api.List[api.DiagnosisStep], error) {
	return ask[api.List[api.DiagnosisStep]](ctx, c, call{method: http.MethodPost, path: "/registry-test", body: r, long: true})
}

// NewPushAddress makes the address at which a registry tells of pushes.
func (c *Client) NewPushAddress(ctx context.Context, name string) (api.PushAddress, error) {
	return ask[api.PushAddress](ctx, c, call{method: http.MethodPost, path: path("registries", name, "push-key")})
}

// RemovePushAddress lets a registry tell of pushes no more.
func (c *Client) RemovePushAddress(ctx context.Context, name string) error {
	return c.send(ctx, call{method: http.MethodDelete, path: path("registries", name, "push-key")}, nil)
}

// ScanRegistry starts a run over a registry.
func (c *Client) ScanRegistry(ctx context.Context, name string) (api.Run, error) {
	return ask[api.Run](ctx, c, call{method: http.MethodPost, path: path("registries", name, "scan")})
}

// StopScan ends the run of a registry.
func (c *Client) StopScan(ctx context.Context, name string) error {
	return c.send(ctx, call{method: http.MethodDelete, path: path("registries", name, "scan")}, nil)
}

// Run gives the state of one run.
func (c *Client) Run(ctx context.Context, registry string, id int64) (api.Run, error) {
	return get[api.Run](ctx, c, path("registries", registry, "runs", strconv.FormatInt(id, 10)))
}

// ImageQuery selects images; empty fields select all.
type ImageQuery struct {
	Registry string
	Status   string
	Severity string
	Text     string // part of a name
	Cursor   string
	Limit    int // of one page; 0 leaves it to the daemon
}

// Images gives one page of images.
func (c *Client) Images(ctx context.Context, q ImageQuery) (api.List[api.Image], error) {
	values := url.Values{}
	setAll(values, map[string]string{
		"registry": q.Registry, "status": q.Status, "severity": q.Severity, "q": q.Text, "cursor": q.Cursor,
		"limit": number(q.Limit),
	})
	return ask[api.List[api.Image]](ctx, c, call{method: http.MethodGet, path: "/images", query: values})
}

// Image gives everything known of a digest.
func (c *Client) Image(ctx context.Context, digest string) (api.ImageReport, error) {
	return get[api.ImageReport](ctx, c, path("images", digest))
}

// Verdicts gives what admission knows of a digest; an *Error of status 425 says
// that nothing is known yet.
func (c *Client) Verdicts(ctx context.Context, digest string) (api.List[api.Verdict], error) {
	return get[api.List[api.Verdict]](ctx, c, path("images", digest, "verdict"))
}

// Submission says what a pipeline knows of the document it posts; everything
// may be empty.
type Submission struct {
	Format    string
	Job       string
	Source    string
	Digest    string
	Reference string
}

// Submit posts a CI document; when it returns, the result is committed.
func (c *Client) Submit(ctx context.Context, s Submission, document io.Reader) (api.Receipt, error) {
	values := url.Values{}
	setAll(values, map[string]string{
		"format": s.Format, "job": s.Job, "source": s.Source, "digest": s.Digest, "reference": s.Reference,
	})
	return ask[api.Receipt](ctx, c, call{
		method: http.MethodPost, path: "/results", query: values, stream: document, long: true,
	})
}

// Results lists the CI results.
func (c *Client) Results(ctx context.Context, cursor string, limit int) (api.List[api.CIResult], error) {
	values := url.Values{}
	setAll(values, map[string]string{"cursor": cursor, "limit": number(limit)})
	return ask[api.List[api.CIResult]](ctx, c, call{method: http.MethodGet, path: "/results", query: values})
}

// setAll sets the values that are not empty.
func setAll(values url.Values, pairs map[string]string) {
	for name, value := range pairs {
		if value != "" {
			values.Set(name, value)
		}
	}
}

// number is a positive count for a query, and empty otherwise.
func number(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}
