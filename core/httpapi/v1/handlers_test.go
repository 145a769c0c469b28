package v1_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/httpapi/tlscert"
	v1 "github.com/muster-sec/muster/core/httpapi/v1"
	"github.com/muster-sec/muster/core/identity"
	"github.com/muster-sec/muster/core/model"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := v1.New(v1.Options{Auth: newHouse()}); err == nil || !strings.Contains(err.Error(), "Sessions") {
		t.Errorf("error %v", err)
	}
}

func TestFailuresKeepTheirKind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err          error
		status, code int
	}{
		{fault.New(fault.Invalid, "x"), 400, 6},
		{fault.New(fault.Unauthenticated, "x"), 401, 3},
		{fault.New(fault.Denied, "x"), 403, 25},
		{fault.New(fault.NotFound, "x"), 404, 7},
		{fault.New(fault.Conflict, "x"), 409, 4},
		{fault.New(fault.Gone, "x"), 410, 7},
		{fault.New(fault.TooLarge, "x"), 413, 6},
		{fault.New(fault.Unsupported, "x"), 422, 6},
		{fault.New(fault.NotReady, "x"), 425, 7},
		{fault.New(fault.Unavailable, "x"), 503, 38},
		{fault.New(fault.Denied, "x: %w", identity.ErrBlocked), 403, 47},
		{fault.New(fault.Invalid, "x: %w", identity.ErrWeakPassword), 400, 14},
	}
	h := newHouse()
	s := serve(t, h)
	for _, tt := range tests {
		failure := fmt.Errorf("wrapped: %w", tt.err)
		h.fail(failure)
		status, _, body := s.ask(t, question{method: "GET", path: "/accounts", as: "admin"})
		e := decode[api.Error](t, body)
		if status != tt.status || e.Code != tt.code || e.Error == "" || e.Message != failure.Error() {
			t.Errorf("%v: %d %+v", tt.err, status, e)
		}
	}
}

func TestOurOwnFaultsTellNothing(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.fail(errors.New("open /var/lib/muster/secret: boom"))
	status, header, body := serve(t, h).ask(t, question{method: "GET", path: "/accounts", as: "admin"})
	e := decode[api.Error](t, body)
	if status != 500 || e.Code != 55 || strings.Contains(string(body), "boom") || !strings.Contains(e.Message, header.Get("X-Request-Id")) {
		t.Errorf("%d %+v", status, e)
	}
}

func TestBodiesAreRead(t *testing.T) {
	t.Parallel()
	h := newHouse()
	s := serve(t, h)
	tests := []struct {
		name, body, content string
		status              int
		message             string
	}{
		{"charset", `{"name":"k","role":"ciops"}`, "application/json; charset=utf-8", 201, ""},
		{"white space", " \n{\"name\":\"k\",\"role\":\"ciops\"}\n ", "application/json", 201, ""},
		{"form", `name=k`, "application/x-www-form-urlencoded", 415, "content type application/x-www-form-urlencoded, want application/json"},
		{"no type", `{"name":"k","role":"ciops"}`, " ", 415, "content type none"},
		{"empty", ``, "application/json", 400, "the body is empty"},
		{"cut", `{"name":"k"`, "application/json", 400, "ends within"},
		{"two values", `{"name":"k","role":"ciops"}{}`, "application/json", 400, "goes on after"},
		{"garbage after", `{"name":"k","role":"ciops"}x`, "application/json", 400, "not the JSON wanted"},
		{"unknown field", `{"name":"k","rolle":"ciops"}`, "application/json", 400, `unknown field "rolle"`},
		{"wrong type", `{"name":7}`, "application/json", 400, `"name" is a number, not a string`},
		{"array", `[]`, "application/json", 400, "is a array, not a api.APIKey"},
		{"deep", strings.Repeat("[", 100000), "application/json", 400, "not the JSON wanted"},
		{"large", `{"name":"` + strings.Repeat("x", httpapi.BodyLimit) + `"}`, "application/json", 413, "larger than 1048576 bytes"},
	}
	for _, tt := range tests {
		status, _, body := s.ask(t, question{method: "POST", path: "/apikeys", as: "admin", body: tt.body, content: tt.content, wild: true})
		if status != tt.status || tt.message != "" && !strings.Contains(decode[api.Error](t, body).Message, tt.message) {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
}

func TestBadQuestions(t *testing.T) {
	t.Parallel()
	s := serve(t, newHouse())
	for _, q := range []question{
		{method: "GET", path: "/images?limit=0"},
		{method: "GET", path: "/images?limit=1001"},
		{method: "GET", path: "/audit?limit=x"},
		{method: "GET", path: "/images/latest"},
		{method: "GET", path: "/images/sha256:ABC/verdict"},
		{method: "POST", path: "/results?digest=x", body: `{}`},
		{method: "GET", path: "/rules?scope=all"},
		{method: "GET", path: "/rules/x"},
		{method: "GET", path: "/rules/4294967296"},
		{method: "PUT", path: "/rules/5", body: `{"id":6,"rule_type":"deny","criteria":[]}`},
		{method: "GET", path: "/registries/a/runs/x"},
		{method: "PATCH", path: "/registries/fed.hub", body: `{"name":"other"}`},
		{method: "POST", path: "/federation/tokens", body: `{"ttl_seconds":-1}`},
		{method: "POST", path: "/federation/tokens", body: `{"ttl_seconds":9223372036854775807}`},
		{method: "POST", path: "/admission/review", body: `{"kind":"Pod"}`},
	} {
		q.as, q.wild = "fedAdmin", true
		if status, _, body := s.ask(t, q); status != 400 {
			t.Errorf("%s %s: %d %s", q.method, q.path, status, body)
		}
	}
	status, _, _ := s.ask(t, question{method: "GET", path: "/clusters/none", as: "admin"})
	if status != 404 {
		t.Errorf("an unknown cluster: %d", status)
	}
	status, _, _ = s.ask(t, question{method: "POST", path: "/results", as: "key", body: "x", content: "text/plain", wild: true})
	if status != http.StatusUnsupportedMediaType {
		t.Errorf("a text document: %d", status)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	s := serve(t, newHouse())
	for _, e := range examples() {
		_, _, body := s.ask(t, e.question)
		for _, secret := range []string{"hunter2", "hunter3", "****"} {
			if strings.Contains(string(body), secret) {
				t.Errorf("%s %s shows %s", e.method, e.path, secret)
			}
		}
	}
	_, _, body := s.ask(t, question{method: "GET", path: "/registries/fed.hub", as: "reader"})
	if r := decode[api.Registry](t, body); !r.HasPassword || !r.HasToken {
		t.Errorf("registry %+v", r)
	}
}

func TestPatchKeepsWhatIsAbsent(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`:                              `amy changes fed.hub oci https://hub.example [app/*] "bot" rescan true password `,
		`{"filters":["x"],"username":""}`: `amy changes fed.hub oci https://hub.example [x] "" rescan true password `,
		`{"password":"new","rescan_after_db_update":false}`: `amy changes fed.hub oci https://hub.example [app/*] "bot" rescan false password new`,
		`{"name":"fed.hub","state":"idle","images":9}`:      `amy changes fed.hub oci https://hub.example [app/*] "bot" rescan true password `,
	} {
		h := newHouse()
		serve(t, h).ask(t, question{method: "PATCH", path: "/registries/fed.hub", as: "fedAdmin", body: body})
		if got := h.calls[1]; got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestRegistryStates(t *testing.T) {
	t.Parallel()
	for role, want := range map[model.ClusterRole]string{model.Primary: "scanning", model.Managed: "remote"} {
		h := newHouse()
		h.role = role
		_, _, body := serve(t, h).ask(t, question{method: "GET", path: "/registries", as: "reader"})
		if got := decode[api.List[api.Registry]](t, body).Items[0].State; got != want {
			t.Errorf("on a %s cluster: %s", role, got)
		}
	}
}

func TestAnImageIsShownBeforeItHasResults(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.known = nil
	s := serve(t, h)
	status, _, body := s.ask(t, question{method: "GET", path: "/images/" + string(digest), as: "reader"})
	if report := decode[api.ImageReport](t, body); status != 200 || report.Verdicts == nil || len(report.Verdicts) > 0 {
		t.Errorf("%d %s", status, body)
	}
	status, _, body = s.ask(t, question{method: "GET", path: "/images/" + string(digest) + "/verdict", as: "key"})
	if e := decode[api.Error](t, body); status != http.StatusTooEarly {
		t.Errorf("%d %+v", status, e)
	}
}

func TestDuplicateIsNotCreated(t *testing.T) {
	t.Parallel()
	s := serve(t, newHouse())
	large := strings.Repeat("x", 4*httpapi.BodyLimit) // documents are not bounded like other bodies
	for job, want := range map[string]int{"first": 201, "again": 200} {
		status, _, body := s.ask(t, question{method: "POST", path: "/results?job=" + job, as: "key", content: "application/octet-stream", body: large})
		if r := decode[api.Receipt](t, body); status != want || r.Duplicate != (job == "again") {
			t.Errorf("%s: %d %+v", job, status, r)
		}
	}
}

// TestDocumentsStreamOverHTTP2 sends a document as CI does: TLS, HTTP/2, trust
// in exactly the daemon's certificate.
func TestDocumentsStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	certs, err := tlscert.SelfSigned(t.TempDir(), nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := serveTLS(t, newAPI(t, newHouse()), certs.Config())
	cert, err := certs.Config().GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert.Leaf)
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true}
	defer s.client.CloseIdleConnections()
	body := strings.NewReader(strings.Repeat("x", 8*httpapi.BodyLimit))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+v1.Prefix+"/results", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set(httpapi.APIKeyHeader, "ci:secret")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated || resp.ProtoMajor != 2 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
}

func TestRuleScopes(t *testing.T) {
	t.Parallel()
	s := serve(t, newHouse())
	for scope, want := range map[string][]uint32{"": {1, 100001, 1000}, "?scope=fed": {100001}, "?scope=local": {1, 1000}} {
		_, _, body := s.ask(t, question{method: "GET", path: "/rules" + scope, as: "reader"})
		var got []uint32
		for _, r := range decode[api.List[api.Rule]](t, body).Items {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", scope, diff)
		}
	}
}

func TestReviewAnswersKubernetesAndPeople(t *testing.T) {
	t.Parallel()
	_, _, body := serve(t, newHouse()).ask(t, question{method: "POST", path: "/admission/review", as: "key", body: review})
	answer := decode[api.ReviewAnswer](t, body)
	inner, err := json.Marshal(answer.Review)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(inner), `"uid":"u1"`) || answer.Decision.Allowed || answer.Decision.Containers[0].Image != "hub.example/app:1" {
		t.Errorf("%s", body)
	}
	if hit := answer.Decision.Rule; hit == nil || hit.ID != 100001 || hit.Mode != "protect" || len(hit.Because) != 1 {
		t.Errorf("rule %+v", hit)
	}
}

func TestWhoAsksIsOneOrTheOther(t *testing.T) {
	t.Parallel()
	s := serve(t, newHouse())
	ask := func(header map[string]string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+v1.Prefix+"/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range header {
			req.Header.Set(name, value)
		}
		resp, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode == 401 && resp.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Error("401 does not say how to authenticate")
		}
		return resp.StatusCode
	}
	for want, headers := range map[int][]map[string]string{
		200: {{"Authorization": "Bearer token-admin"}, {"Authorization": "bearer token-admin"}, {httpapi.APIKeyHeader: "ci:secret"}},
		401: {{}, {"Authorization": "Basic token-admin"}, {"Authorization": "token-admin"}, {"Authorization": "Bearer x"}, {httpapi.APIKeyHeader: "ci:x"}},
		400: {{"Authorization": "Bearer token-admin", httpapi.APIKeyHeader: "ci:secret"}},
	} {
		for _, header := range headers {
			if got := ask(header); got != want {
				t.Errorf("%v: %d, want %d", header, got, want)
			}
		}
	}
}

func TestStatusKnowsWhoAsks(t *testing.T) {
	t.Parallel()
	_, _, body := serve(t, newHouse()).ask(t, question{method: "GET", path: "/status", as: "key"})
	want := api.Status{
		Version: "1.2.3", ClusterID: "c1", ClusterName: "prod", Role: "primary", StartedAt: noon(),
		DB:       api.DB{Present: true, Revision: "r1", UpdatedAt: noon(), LoadedAt: noon()},
		Username: "ci", UserRole: "ciops",
	}
	if diff := cmp.Diff(want, decode[api.Status](t, body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMembersLagIsShown(t *testing.T) {
	t.Parallel()
	_, _, body := serve(t, newHouse()).ask(t, question{method: "GET", path: "/clusters/m1", as: "reader"})
	if c := decode[api.Cluster](t, body); c.Lag != 2 || c.ClockOffsetMS != -1500 || !c.LastSeen.Equal(noon().UTC().Round(time.Second)) {
		t.Errorf("cluster %+v", c)
	}
}
