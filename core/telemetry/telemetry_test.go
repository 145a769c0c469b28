package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/telemetry"
)

func TestLoggerLevelsAndFormats(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hidden")
	log.Warn("shown", "password", model.Secret("hunter2"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if line["msg"] != "shown" || line["password"] != "****" {
		t.Errorf("line %v", line)
	}
	for _, bad := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := telemetry.NewLogger(&out, bad[0], bad[1]); err == nil {
			t.Errorf("%v accepted", bad)
		}
	}
	if _, err := telemetry.NewLogger(&out, "debug", "text"); err != nil {
		t.Error(err)
	}
}

func TestOps(t *testing.T) {
	t.Parallel()
	registry, err := telemetry.NewRegistry(telemetry.ReadBuild("1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	var down error
	ops := telemetry.OpsHandler(registry,
		telemetry.Check{Name: "store", Ready: func(context.Context) error { return nil }},
		telemetry.Check{Name: "queue", Ready: func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a check without a deadline")
			}
			return down
		}},
	)
	get := func(method, path string) (int, string) {
		rec := httptest.NewRecorder()
		ops.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
		return rec.Code, rec.Body.String()
	}
	check := func(method, path string, status int, contains string) {
		t.Helper()
		if got, body := get(method, path); got != status || !strings.Contains(body, contains) {
			t.Errorf("%s %s: %d %q, want %d with %q", method, path, got, body, status, contains)
		}
	}
	check("GET", "/healthz", 200, "ok")
	check("GET", "/readyz", 200, "store: ok\nqueue: ok\n")
	down = errors.New("no\nanswer")
	check("GET", "/readyz", http.StatusServiceUnavailable, "store: ok\nqueue: no; answer\n")
	check("GET", "/healthz", 200, "ok")
	check("GET", "/metrics", 200, `muster_build_info{go="go`)
	check("GET", "/metrics", 200, `version="1.2.3"} 1`)
	check("POST", "/healthz", 405, "")
	check("GET", "/debug/pprof/", 404, "")
}

func TestBuildText(t *testing.T) {
	t.Parallel()
	b := telemetry.Build{Version: "1", Go: "go1.26"}
	if got := b.String(); got != "muster 1 (go1.26)" {
		t.Error(got)
	}
	b.Revision = strings.Repeat("a", 40)
	if got := b.String(); got != "muster 1 (aaaaaaaaaaaa, go1.26)" {
		t.Error(got)
	}
}
