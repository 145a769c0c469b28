package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/httpapi/webhook"
)

const secret = "a-secret-of-the-path"

const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE",
	"kind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","name":"web",
	"object":{"spec":{"containers":[{"name":"web","image":"hub.example/app:1"}]}}}}`

// judge answers with a fixed decision and notes how long it may take.
type judge struct {
	decision admission.Decision
	err      error
	patience time.Duration
}

func (j *judge) Review(ctx context.Context, req admission.Request) (admission.Decision, error) {
	if until, ok := ctx.Deadline(); ok {
		j.patience = time.Until(until)
	}
	return j.decision, j.err
}

func post(t *testing.T, by webhook.Reviewer, path, content, body string) (int, string) {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", content)
	rec := httptest.NewRecorder()
	webhook.Handler(secret, by).ServeHTTP(rec, req)
	return rec.Code, rec.Body.String()
}

func TestWebhookAnswersReviews(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{true, false} {
		j := &judge{decision: admission.Decision{Allowed: allowed, Message: "because"}}
		status, body := post(t, j, "/v1/validate/"+secret+"?timeout=10s", "application/json", review)
		var out struct {
			APIVersion, Kind string
			Response         struct {
				UID     string
				Allowed bool
				Status  struct{ Message string }
			}
		}
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
			t.Fatalf("%d %s %v", status, body, err)
		}
		if out.APIVersion != "admission.k8s.io/v1" || out.Kind != "AdmissionReview" || out.Response.UID != "u1" || out.Response.Allowed != allowed {
			t.Errorf("answer %s", body)
		}
		if !allowed && out.Response.Status.Message != "because" {
			t.Errorf("denied without the reason: %s", body)
		}
	}
}

func TestWebhookRefuses(t *testing.T) {
	t.Parallel()
	good := "/v1/validate/" + secret
	tests := []struct {
		name, path, content, body string
		err                       error
		status, code              int
	}{
		{"wrong secret", "/v1/validate/a-secret-of-the-patH", "application/json", review, nil, 404, 1},
		{"no secret", "/v1/validate/", "application/json", review, nil, 404, 1},
		{"another path", "/v1/status/x", "application/json", review, nil, 404, 1},
		{"content type", good, "text/plain", review, nil, 415, 6},
		{"not JSON", good, "application/json", "{", nil, 400, 6},
		{"not a review", good, "application/json", `{"kind":"Pod"}`, nil, 400, 6},
		{"old version", good, "application/json", strings.Replace(review, "io/v1", "io/v1beta1", 1), nil, 400, 6},
		{"large", good, "application/json", strings.Repeat(" ", admission.MaxReview+1), nil, 413, 6},
		{"not loaded yet", good, "application/json", review, fault.New(fault.Unavailable, "x"), 503, 38},
		{"our fault", good, "application/json", review, errors.New("x"), 500, 55},
	}
	for _, tt := range tests {
		status, body := post(t, &judge{err: tt.err}, tt.path, tt.content, tt.body)
		var e api.Error
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != tt.status || e.Code != tt.code {
			t.Errorf("%s: %d %s %v", tt.name, status, body, err)
		}
		if strings.Contains(body, "secret-of") {
			t.Errorf("%s: the answer shows the path: %s", tt.name, body)
		}
	}
	rec := httptest.NewRecorder()
	webhook.Handler(secret, &judge{}).ServeHTTP(rec, httptest.NewRequest("GET", good, nil))
	if rec.Code != http.StatusNotFound && rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rec.Code)
	}
}

func TestWebhookIsAsPatientAsTheAPIServer(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]time.Duration{
		"": 10 * time.Second, "?timeout=5s": 5 * time.Second, "?timeout=1h": 10 * time.Second, "?timeout=x": 10 * time.Second, "?timeout=-1s": 10 * time.Second,
	} {
		j := &judge{decision: admission.Decision{Allowed: true}}
		post(t, j, "/v1/validate/"+secret+query, "application/json", review)
		if j.patience > want || j.patience < want-time.Second {
			t.Errorf("%q: %v", query, j.patience)
		}
	}
}

func TestSecretIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "webhook-path")
	first, err := webhook.LoadSecret(path)
	if err != nil || len(first) < 16 {
		t.Fatalf("%q, %v", first, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, err := webhook.LoadSecret(path); again != first || err != nil {
		t.Errorf("%q, %v", again, err)
	}
	for _, bad := range []string{"", "short", "has/a/slash/and/is/long", strings.Repeat("x", 129)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := webhook.LoadSecret(path); fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
