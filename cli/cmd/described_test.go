package cmd_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// described holds every request that is served, and every answer, against
// openapi.yaml, so that neither the commands nor the fake daemon drift from
// the real one.
type described struct {
	next   http.Handler
	router routers.Router

	mu    sync.Mutex
	wrong []string
}

func newDescribed(next http.Handler) (*described, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "core", "httpapi", "v1", "openapi.yaml"))
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "/api/v1"}} // whatever the host
	router, err := gorillamux.NewRouter(doc)
	return &described{next: next, router: router}, err
}

// ServeHTTP implements http.Handler.
func (d *described) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		d.complain("read %s: %v", r.URL, err)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	d.next.ServeHTTP(rec, r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.check(r, rec)
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// check leaves a request that was refused alone: scripts send wrong ones too.
func (d *described) check(r *http.Request, rec *httptest.ResponseRecorder) {
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		d.complain("%s %s is not described: %v", r.Method, r.URL.Path, err)
		return
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil && rec.Code < 300 {
		d.complain("request %s %s: %v", r.Method, r.URL, err)
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: rec.Code, Header: rec.Header(),
		Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())), Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(r.Context(), answer); err != nil {
		d.complain("answer %d to %s %s: %v", rec.Code, r.Method, r.URL, err)
	}
}

func (d *described) complain(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
}

// complaints are what was wrong so far.
func (d *described) complaints() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wrong
}
