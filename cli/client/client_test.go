package client_test

import (
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/core/httpapi/api"
)

// serve starts a TLS server and gives a client that pins its certificate.
func serve(t *testing.T, h http.HandlerFunc, cred client.Credential) (*client.Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pin := client.FingerprintOf(srv.Certificate())
	c, err := client.New(client.Config{Server: srv.URL, Trust: client.Trust{Pin: &pin}, Credential: cred, UserAgent: "muster/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, srv
}

func TestParseServer(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://Muster.Example:10443/": "https://muster.example:10443",
		"https://muster.example":        "https://muster.example",
		"muster.example":                "https://muster.example:10443",
		"127.0.0.1:8443":                "https://127.0.0.1:8443",
		"[::1]":                         "https://[::1]:10443",
		"https://gate.example/muster/":  "https://gate.example/muster",
	} {
		if u, err := client.ParseServer(in); err != nil || u.String() != want {
			t.Errorf("ParseServer(%q) = %v, %v; want %s", in, u, err, want)
		}
	}
	for _, in := range []string{"", "http://plain.example", "https://", "https://u:hunter2@h", "https://h?x=1", "https://h#x", "https://h:hunter2/"} {
		u, err := client.ParseServer(in)
		if err == nil {
			t.Errorf("ParseServer(%q) = %v", in, u)
		} else if strings.Contains(err.Error(), "hunter2@") {
			t.Errorf("ParseServer(%q) repeats the password: %v", in, err)
		}
	}
}

// TestRequests walks every method: what it sends where.
func TestRequests(t *testing.T) {
	t.Parallel()
	requests := clusterRequests()
	maps.Copy(requests, imageRequests())
	for want, run := range requests {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			var got string
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/api/v1")
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, "{}")
			}, client.Credential{})
			if err := run(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("sent %q", got)
			}
		})
	}
}

// clusterRequests are about accounts and the federation.
func clusterRequests() map[string]func(context.Context, *client.Client) error {
	return map[string]func(context.Context, *client.Client) error{
		"POST /login":   func(ctx context.Context, c *client.Client) error { _, err := c.Login(ctx, "u", "p"); return err },
		"POST /logout":  func(ctx context.Context, c *client.Client) error { return c.Logout(ctx) },
		"GET /status":   func(ctx context.Context, c *client.Client) error { _, err := c.Status(ctx); return err },
		"GET /accounts": func(ctx context.Context, c *client.Client) error { _, err := c.Accounts(ctx); return err },
		"POST /accounts": func(ctx context.Context, c *client.Client) error {
			_, err := c.AddAccount(ctx, api.Account{})
			return err
		},
		"DELETE /accounts/a%2Fb": func(ctx context.Context, c *client.Client) error { return c.RemoveAccount(ctx, "a/b") },
		"PUT /accounts/a/password": func(ctx context.Context, c *client.Client) error {
			return c.ChangePassword(ctx, "a", api.PasswordChange{})
		},
		"GET /apikeys": func(ctx context.Context, c *client.Client) error { _, err := c.APIKeys(ctx); return err },
		"POST /apikeys": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateAPIKey(ctx, api.APIKey{})
			return err
		},
		"DELETE /apikeys/k":           func(ctx context.Context, c *client.Client) error { return c.RemoveAPIKey(ctx, "k") },
		"GET /audit?cursor=9&limit=5": func(ctx context.Context, c *client.Client) error { _, err := c.Audit(ctx, "9", 5); return err },
		"PATCH /registries/r": func(ctx context.Context, c *client.Client) error {
			_, err := c.UpdateRegistry(ctx, "r", client.RegistryPatch{})
			return err
		},
		"GET /plugins":             func(ctx context.Context, c *client.Client) error { _, err := c.Plugins(ctx); return err },
		"GET /db":                  func(ctx context.Context, c *client.Client) error { _, err := c.DB(ctx); return err },
		"GET /federation":          func(ctx context.Context, c *client.Client) error { _, err := c.Federation(ctx); return err },
		"GET /federation/settings": func(ctx context.Context, c *client.Client) error { _, err := c.FedSettings(ctx); return err },
		"PUT /federation/settings": func(ctx context.Context, c *client.Client) error {
			_, err := c.SetFedSettings(ctx, api.FedSettings{})
			return err
		},
		"POST /federation/promote": func(ctx context.Context, c *client.Client) error {
			_, err := c.Promote(ctx, api.PromoteRequest{})
			return err
		},
		"POST /federation/demote": func(ctx context.Context, c *client.Client) error { _, err := c.Demote(ctx); return err },
		"POST /federation/join": func(ctx context.Context, c *client.Client) error {
			_, err := c.Join(ctx, api.JoinRequest{})
			return err
		},
		"POST /federation/leave": func(ctx context.Context, c *client.Client) error {
			_, err := c.Leave(ctx, api.LeaveRequest{})
			return err
		},
		"GET /federation/tokens": func(ctx context.Context, c *client.Client) error { _, err := c.Tokens(ctx); return err },
		"POST /federation/tokens": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateToken(ctx, api.TokenRequest{})
			return err
		},
		"DELETE /federation/tokens/t": func(ctx context.Context, c *client.Client) error { return c.RevokeToken(ctx, "t") },
		"GET /clusters":               func(ctx context.Context, c *client.Client) error { _, err := c.Clusters(ctx); return err },
		"DELETE /clusters/c":          func(ctx context.Context, c *client.Client) error { return c.RemoveCluster(ctx, "c") },
		"POST /clusters/c/deploy":     func(ctx context.Context, c *client.Client) error { return c.DeployCluster(ctx, "c") },
	}
}

// imageRequests are about images and rules.
func imageRequests() map[string]func(context.Context, *client.Client) error {
	return map[string]func(context.Context, *client.Client) error{
		"GET /registries":       func(ctx context.Context, c *client.Client) error { _, err := c.Registries(ctx); return err },
		"GET /registries/fed.r": func(ctx context.Context, c *client.Client) error { _, err := c.Registry(ctx, "fed.r"); return err },
		"POST /registries": func(ctx context.Context, c *client.Client) error {
			_, err := c.AddRegistry(ctx, api.Registry{})
			return err
		},
		"DELETE /registries/r":          func(ctx context.Context, c *client.Client) error { return c.RemoveRegistry(ctx, "r") },
		"POST /registries/r/test":       func(ctx context.Context, c *client.Client) error { _, err := c.TestRegistry(ctx, "r"); return err },
		"POST /registries/r/push-key":   func(ctx context.Context, c *client.Client) error { _, err := c.NewPushAddress(ctx, "r"); return err },
		"DELETE /registries/r/push-key": func(ctx context.Context, c *client.Client) error { return c.RemovePushAddress(ctx, "r") },
		"POST /registry-test": func(ctx context.Context, c *client.Client) error {
			_, err := c.TryRegistry(ctx, api.Registry{})
			return err
		},
		"POST /registries/r/scan":   func(ctx context.Context, c *client.Client) error { _, err := c.ScanRegistry(ctx, "r"); return err },
		"DELETE /registries/r/scan": func(ctx context.Context, c *client.Client) error { return c.StopScan(ctx, "r") },
		"GET /registries/r/runs/7":  func(ctx context.Context, c *client.Client) error { _, err := c.Run(ctx, "r", 7); return err },
		"GET /images?limit=3&q=web&status=new": func(ctx context.Context, c *client.Client) error {
			_, err := c.Images(ctx, client.ImageQuery{Text: "web", Status: "new", Limit: 3})
			return err
		},
		"GET /images/sha256:ab":         func(ctx context.Context, c *client.Client) error { _, err := c.Image(ctx, "sha256:ab"); return err },
		"GET /images/sha256:ab/verdict": func(ctx context.Context, c *client.Client) error { _, err := c.Verdicts(ctx, "sha256:ab"); return err },
		"POST /results?job=j": func(ctx context.Context, c *client.Client) error {
			_, err := c.Submit(ctx, client.Submission{Job: "j"}, strings.NewReader("{}"))
			return err
		},
		"GET /results":         func(ctx context.Context, c *client.Client) error { _, err := c.Results(ctx, "", 0); return err },
		"GET /rules?scope=fed": func(ctx context.Context, c *client.Client) error { _, err := c.Rules(ctx, "fed"); return err },
		"GET /rules/9":         func(ctx context.Context, c *client.Client) error { _, err := c.Rule(ctx, 9); return err },
		"POST /rules":          func(ctx context.Context, c *client.Client) error { _, err := c.AddRule(ctx, api.Rule{}); return err },
		"PUT /rules/9": func(ctx context.Context, c *client.Client) error {
			_, err := c.UpdateRule(ctx, api.Rule{ID: 9})
			return err
		},
		"DELETE /rules/9":      func(ctx context.Context, c *client.Client) error { return c.RemoveRule(ctx, 9) },
		"GET /admission/state": func(ctx context.Context, c *client.Client) error { _, err := c.AdmissionState(ctx); return err },
		"PUT /admission/state": func(ctx context.Context, c *client.Client) error {
			_, err := c.SetAdmissionState(ctx, api.AdmissionState{})
			return err
		},
		"POST /admission/review": func(ctx context.Context, c *client.Client) error { _, err := c.Review(ctx, []byte("{}")); return err },
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cred client.Credential
		want [2]string // Authorization, X-Muster-Apikey
	}{
		"none":         {},
		"session":      {client.Credential{Token: "t"}, [2]string{"Bearer t", ""}},
		"key":          {client.Credential{APIKey: "n:s"}, [2]string{"", "n:s"}},
		"the key wins": {client.Credential{Token: "t", APIKey: "n:s"}, [2]string{"", "n:s"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got [2]string
			var agent, uri, contentType, body string
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = [2]string{r.Header.Get("Authorization"), r.Header.Get("X-Muster-Apikey")}
				data, _ := io.ReadAll(r.Body)
				agent, uri, contentType, body = r.UserAgent(), r.RequestURI, r.Header.Get("Content-Type"), string(data)
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				_, _ = io.WriteString(w, `{"id": 4}`)
			}, tt.cred)
			receipt, err := c.Submit(t.Context(), client.Submission{}, strings.NewReader("document"))
			if err != nil || receipt.ID != 4 {
				t.Fatalf("Submit = %+v, %v", receipt, err)
			}
			if got != tt.want || agent != "muster/test" || uri != "/api/v1/results" {
				t.Errorf("sent %q as %q to %q", got, agent, uri)
			}
			if contentType != "application/octet-stream" || body != "document" {
				t.Errorf("sent %q as %q", body, contentType)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		kind   string
		body   string
		want   client.Error
	}{
		"with everything": {
			409, "application/json", `{"code": 7, "error": "Conflict", "message": "it exists", "hint": "remove it"}`,
			client.Error{Status: 409, Code: 7, Request: "GET /api/v1/status", Title: "Conflict", Message: "it exists", Hint: "remove it"},
		},
		"of a proxy": {
			502, "text/html", "<html>bad gateway</html>",
			client.Error{Status: 502, Request: "GET /api/v1/status", Title: "Bad Gateway"},
		},
		"not known yet": {
			425, "application/json", `{"code": 0, "error": "", "message": "soon"}`,
			client.Error{Status: 425, Request: "GET /api/v1/status", Title: "Too Early", Message: "soon"},
		},
		"endless": {
			500, "application/json", `{"message": "` + strings.Repeat("x", 1<<20) + `"}`,
			client.Error{Status: 500, Request: "GET /api/v1/status", Title: "Internal Server Error"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}, client.Credential{})
			_, err := c.Status(t.Context())
			got, ok := errors.AsType[*client.Error](err)
			if !ok {
				t.Fatalf("Status = %v", err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
			if !client.IsStatus(err, tt.status) {
				t.Error("IsStatus does not know it")
			}
		})
	}
}

// TestRedirectsAreNotFollowed: a redirect must not carry the credential away.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	calls := 0
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		http.Redirect(w, r, "/api/v1/status", http.StatusTemporaryRedirect)
	}, client.Credential{Token: "t"})
	if _, err := c.Status(t.Context()); !client.IsStatus(err, http.StatusTemporaryRedirect) {
		t.Errorf("Status = %v", err)
	}
	if calls != 1 {
		t.Errorf("%d requests", calls)
	}
}

func TestUntrustworthyAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ kind, body, check string }{
		"a web page":     {"text/html", "<html>", "the answer is JSON"},
		"no type":        {"", "{}", "the answer is JSON"},
		"cut short":      {"application/json", `{"version": "1`, "read the answer"},
		"another shape":  {"application/json", `[]`, "read the answer"},
		"an empty reply": {"application/json", ``, "read the answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tt.kind}
				_, _ = io.WriteString(w, tt.body)
			}, client.Credential{})
			_, err := c.Status(t.Context())
			if u, ok := errors.AsType[*client.Unreachable](err); !ok || u.Check != tt.check {
				t.Errorf("Status = %#v", err)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	c, srv := serve(t, func(http.ResponseWriter, *http.Request) {}, client.Credential{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	srv.Close()
	_, err := c.Status(t.Context())
	if u, ok := errors.AsType[*client.Unreachable](err); !ok || u.Check != "connect" || u.Server != srv.URL {
		t.Errorf("stopped: %#v", err)
	}
}
