package v1_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	v1 "github.com/muster-sec/muster/core/httpapi/v1"
)

func newAPI(t *testing.T, h *house) *v1.API {
	t.Helper()
	a, err := v1.New(options(h))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func options(h *house) v1.Options {
	return v1.Options{
		Auth: h, Sessions: h, Accounts: h, APIKeys: h, Federation: h, FedSettings: h, Tokens: h, Clusters: h,
		Registries: registries{h}, RegistryRuns: registries{h}, Images: h, Results: results{h}, Rules: h,
		Admission: h, Reviewer: h, Audit: h, Plugins: examplePlugins,
		Stale:   func(built time.Time) bool { return !built.After(noon()) },
		DB:      func() api.DB { return api.DB{Present: true, Revision: "r1", UpdatedAt: noon(), LoadedAt: noon()} },
		Version: "1.2.3", StartedAt: noon(), Now: noon,
	}
}

// site is the API behind a real server on loopback, with its description.
type site struct {
	url    string
	client *http.Client
	doc    *openapi3.T
	router routers.Router
}

func serve(t *testing.T, h *house) *site {
	t.Helper()
	return serveAPI(t, newAPI(t, h))
}

func serveAPI(t *testing.T, a *v1.API) *site {
	t.Helper()
	return serveTLS(t, a, nil)
}

// serveTLS serves over TLS and HTTP/2 when there is a certificate.
func serveTLS(t *testing.T, a *v1.API, certificate *tls.Config) *site {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := httpapi.NewServer(httpapi.Options{
		Name: "api", Handler: a.Handler(), TLS: certificate, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s := &site{url: "http://" + ln.Addr().String(), client: client}
	if certificate != nil {
		s.url = "https://" + ln.Addr().String()
	}
	s.doc, s.router = description(t)
	return s
}

func description(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// question is one request.
type question struct {
	method, path string // below the prefix
	body         string
	content      string // application/json when empty and there is a body
	as           string // a role, "key" for an API key; nobody when empty
	token        string // a session token, instead of as
	wild         bool   // the request is not to fit the description
}

// ask sends a request and holds it and its answer against the description.
func (s *site) ask(t *testing.T, q question) (status int, header http.Header, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), q.method, s.url+v1.Prefix+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	if q.content == "" && q.body != "" {
		q.content = "application/json"
	}
	if q.content != "" {
		req.Header.Set("Content-Type", q.content)
	}
	switch {
	case q.token != "":
		req.Header.Set("Authorization", "Bearer "+q.token)
	case q.as == "key":
		req.Header.Set(httpapi.APIKeyHeader, "ci:secret")
	case q.as != "":
		req.Header.Set("Authorization", "Bearer token-"+q.as)
	}
	input := s.describe(t, req, q)
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if input == nil {
		return resp.StatusCode, resp.Header, body
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
		t.Errorf("%s %s answers %d, which is not as described: %v\n%s", q.method, q.path, resp.StatusCode, err, body)
	}
	return resp.StatusCode, resp.Header, body
}

// describe finds the operation of a request and checks the request by it.
func (s *site) describe(t *testing.T, req *http.Request, q question) *openapi3filter.RequestValidationInput {
	t.Helper()
	described, err := http.NewRequestWithContext(t.Context(), q.method, v1.Prefix+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	described.Header = req.Header
	route, params, err := s.router.FindRoute(described)
	if err != nil {
		if !q.wild {
			t.Errorf("%s %s is not described: %v", q.method, q.path, err)
		}
		return nil
	}
	input := &openapi3filter.RequestValidationInput{
		Request: described, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		},
	}
	if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil && !q.wild {
		t.Errorf("%s %s is not as described: %v", q.method, q.path, err)
	}
	return input
}

func decode[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}
