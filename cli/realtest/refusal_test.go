//go:build real

package realtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// refused runs a command that must fail with code and say all of texts.
func (w *world) refused(code int, stdin string, args []string, texts ...string) {
	w.t.Helper()
	res, err := w.Run(w.t.Context(), strings.NewReader(stdin), args...)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.Code != code {
		w.t.Errorf("muster %s: exit %d, want %d\n%s", strings.Join(args, " "), res.Code, code, res.Stderr)
	}
	for _, text := range texts {
		if !strings.Contains(res.Stderr, text) {
			w.t.Errorf("muster %s: the error does not say %q:\n%s", strings.Join(args, " "), text, res.Stderr)
		}
	}
}

// TestRefusals gives a running pair of clusters what it must refuse, and sees
// that nothing of it had an effect.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	hub, edge := w.start("hub"), w.start("edge")
	on := func(url string, args ...string) []string { return append([]string{"--server", url}, args...) }

	t.Run("configuration", func(t *testing.T) {
		w := w.in(t)
		bad := filepath.Join(w.Dir, "bad.yaml")
		write(t, bad, "cluster_name: x\nlisten_adress: 127.0.0.1:1\n")
		w.refused(2, "", []string{"serve", "--config", bad}, bad, "line 2", "listen_adress")
		w.refused(6, "", []string{"serve", "--data-dir", hub.DataDir, "--listen", "127.0.0.1:0"}, "in use by another muster", "--data-dir")
		corrupt := filepath.Join(w.Dir, "corrupt.db")
		write(t, corrupt, strings.Repeat("not a database ", 1000))
		w.refused(6, "", []string{"serve", "--data-dir", filepath.Join(w.Dir, "third"), "--vulndb", corrupt}, "vulnerability database")
	})
	t.Run("tokens", func(t *testing.T) {
		w := w.in(t)
		w.refused(4, "", on(hub.URL(), "token", "create"), "fed.write") // nobody is a federated administrator yet
		w.muster(hub, 0, "", "promote", "--advertise", hub.Fed)
		w.refused(6, "garbage\n", on(edge.URL(), "join", "--token-file", "-"))
		revoked := ask[api.Token](w, hub, "token", "create")
		w.muster(hub, 0, "", "token", "revoke", revoked.ID)
		w.refused(6, revoked.Token, on(edge.URL(), "join", "--token-file", "-"), "revoked")
		good := ask[api.Token](w, hub, "token", "create")
		w.refused(6, good.Token, on(hub.URL(), "join", "--token-file", "-")) // its own primary
		w.muster(edge, 0, good.Token, "join", "--token-file", "-")
		w.refused(6, good.Token, on(edge.URL(), "join", "--token-file", "-"), "muster leave")
		third := w.start("third")
		w.refused(6, good.Token, on(third.URL(), "join", "--token-file", "-"), "used")
	})
	t.Run("registries", func(t *testing.T) {
		w := w.in(t)
		gone := "http://" + freeAddr(t)
		w.muster(hub, 0, "", "registry", "add", "fed.gone", "--type", "oci", "--url", gone)
		w.refused(6, "", on(hub.URL(), "registry", "scan", "fed.gone", "--wait"), "refused")
		w.refused(6, "", on(hub.URL(), "registry", "add", "x", "--type", "nosuch", "--url", gone), "nosuch")
		w.refused(6, "", on(hub.URL(), "registry", "add", "x", "--type", "oci", "--url", gone, "--schedule", "every day"), "schedule")
		w.refused(6, "", on(hub.URL(), "registry", "show", "nosuch"))
	})
	t.Run("documents", func(t *testing.T) {
		w := w.in(t)
		bad := filepath.Join(w.Dir, "bad.json")
		write(t, bad, `{"SchemaVersion":2,"Results":[{"Vulnerabilities":[{"VulnerabilityID":1e999`)
		w.refused(6, "", on(hub.URL(), "submit", bad, "--format", "trivy", "--job", "x"))
		w.refused(6, "", on(hub.URL(), "submit", bad, "--format", "nosuch", "--job", "x"), "nosuch")
		if results := list[api.CIResult](w, hub, "result", "list"); len(results) != 0 {
			t.Errorf("a refused document left %+v", results)
		}
	})
	t.Run("HTTP", func(t *testing.T) { httpRefusals(t, w.in(t), hub.DataDir, hub.API, hub.Fed, hub.Admission) })
}

// httpRefusals speaks to the ports without the command line.
func httpRefusals(t *testing.T, w *world, dataDir, rest, fed, admission string) {
	client := trusting(t, filepath.Join(dataDir, "api.pem"))
	secret, err := os.ReadFile(filepath.Join(dataDir, "webhook-secret"))
	if err != nil {
		t.Fatal(err)
	}
	webhook := "https://" + admission + "/v1/validate/" + strings.TrimSpace(string(secret))
	tests := []struct {
		name, url, contentType, body string
		status                       int
	}{
		{"the API without a login", "https://" + rest + "/api/v1/status", "", "", 401},
		{"a login that is too large", "https://" + rest + "/api/v1/login", "application/json", `{"username":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		{"a login that is no JSON", "https://" + rest + "/api/v1/login", "text/plain", `{}`, 415},
		{"the compatible probe", "https://" + rest + "/v1/eula", "", "", 200},
		{"an unknown compatible URL", "https://" + rest + "/v1/nosuch", "", "", 404},
		{"the webhook under another path", "https://" + admission + "/v1/validate/guess", "application/json", review("x"), 404},
		{"a review that is no JSON by its type", webhook, "text/plain", review("x"), 415},
		{"a review that is cut off", webhook, "application/json", review("x")[:40], 400},
		{"a review that is too large", webhook, "application/json", `{"x":"` + strings.Repeat("x", 9<<20) + `"}`, 413},
		{"a good review", webhook, "application/json", review("x"), 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method := http.MethodGet
			if tt.body != "" {
				method = http.MethodPost
			}
			status, body := call(t, client, method, tt.url, tt.contentType, tt.body)
			if status != tt.status {
				t.Errorf("status %d, want %d: %s", status, tt.status, body)
			}
		})
	}
	t.Run("HTTP on the fed port", func(t *testing.T) {
		// Whoever speaks HTTP there is a probe that cannot know the federation's CA.
		probe := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		status, body := call(t, probe, http.MethodGet, "https://"+fed+"/v1/eula", "", "")
		var e struct {
			Code  int    `json:"code"`
			Error string `json:"error"`
		}
		if err := json.Unmarshal(body, &e); err != nil || status != 404 || e.Code != 1 {
			t.Errorf("status %d, body %s (%v), want NeuVector's 404 with code 1", status, body, err)
		}
	})
}

func call(t *testing.T, client *http.Client, method, url, contentType, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// trusting is a client that trusts exactly the certificate in a PEM file.
func trusting(t *testing.T, file string) *http.Client {
	t.Helper()
	rest, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		pool.AddCert(cert)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}
