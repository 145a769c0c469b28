package cmd_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// today is the clock of every test.
func today() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	digestC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

// fake is a daemon that speaks the native API's values over TLS and keeps them
// in memory. It refuses unknown fields, as the real one does.
type fake struct {
	*httptest.Server
	described *described

	mu         sync.Mutex
	password   string
	role       string // of whoever asks
	fed        api.Federation
	tokens     []api.Token
	registries []api.Registry
	run        api.Run
	polls      int
	rules      []api.Rule
	nextRule   uint32
	state      api.AdmissionState
	accounts   []api.Account
	keys       []api.APIKey
	clusters   []api.Cluster
	db         api.DB
	submitted  []byte
}

func newFake() (*fake, error) {
	built := today().Add(-30 * time.Hour)
	f := &fake{
		password: "correct horse", role: "fedAdmin", nextRule: 1002,
		fed:   api.Federation{Role: "standalone", ClusterID: "c-1", ClusterName: "west"},
		state: api.AdmissionState{Enable: true, Mode: "monitor"},
		db: api.DB{
			Present: true, Revision: "rev-7", UpdatedAt: built, LoadedAt: built.Add(time.Hour), Source: "mirror.example/trivy-db:2",
			Ecosystems: []api.Ecosystem{{Name: "debian", Releases: 4, Advisories: 120_000}, {Name: "npm", Advisories: 3000}},
		},
		accounts: []api.Account{
			{Username: "admin", Role: "fedAdmin", CreatedAt: built, LastLogin: today().Add(-5 * time.Minute)},
		},
		registries: []api.Registry{{
			Name: "shop", Type: "oci", URL: "https://registry.example:5000", Filters: []string{"web:*"},
			Origin: "local", State: "idle", Images: 3, CreatedAt: built,
		}},
		rules: []api.Rule{
			{
				ID: 1, Category: "Kubernetes", Comment: "system namespaces", CfgType: "system_defined", RuleType: "exception",
				Criteria: []api.Criterion{{Name: "namespace", Op: "containsAny", Value: "kube-system,kube-public"}},
			},
			{
				ID: 1001, Category: "Kubernetes", Comment: "no critical findings", CfgType: "user_created", RuleType: "deny",
				Criteria: []api.Criterion{{Name: "cveCriticalCount", Op: ">=", Value: "1"}}, OnMissing: "ignore",
			},
		},
		clusters: []api.Cluster{
			{ID: "c-1", Name: "west", Role: "primary", Status: "active", Version: "1.0.0", Head: 90, Applied: 90, LastSeen: today()},
			{
				ID: "c-2", Name: "east", Role: "managed", Status: "out_of_sync", Reason: "three revisions behind", Version: "1.0.0",
				Head: 90, Applied: 87, Lag: 3, ClockOffsetMS: -1500, LastSeen: today().Add(-9 * time.Second),
				JoinedAt: built, Summary: api.ClusterSummary{Images: 12, Rules: 4},
			},
		},
	}
	f.rules = append(f.rules, api.Rule{
		ID: 100009, CfgType: "federal", RuleType: "deny", Criteria: []api.Criterion{}, Unreadable: "criterion \"moonPhase\" is not known",
	})
	mux := http.NewServeMux()
	f.routes(mux)
	checked, err := newDescribed(mux)
	if err != nil {
		return nil, err
	}
	f.described = checked
	f.Server = httptest.NewUnstartedServer(checked)
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are wanted
	f.StartTLS()
	return f, nil
}

// caPEM is the server's own certificate, which signs itself.
func (f *fake) caPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
}

func (f *fake) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/login", f.login)
	f.handle(mux, "POST /logout", "", func(*http.Request) (int, any) { return 204, nil })
	f.handle(mux, "GET /status", "", func(*http.Request) (int, any) {
		return 200, api.Status{
			Version: "1.0.0", ClusterID: "c-1", ClusterName: "west", Role: f.fed.Role, StartedAt: today().Add(-72 * time.Hour),
			DB: api.DB{Present: true, Revision: f.db.Revision, UpdatedAt: f.db.UpdatedAt, LoadedAt: f.db.LoadedAt, Source: f.db.Source}, Username: "admin", UserRole: f.role,
		}
	})
	f.handle(mux, "GET /db", "", func(*http.Request) (int, any) { return 200, f.db })
	f.handle(mux, "GET /plugins", "", func(*http.Request) (int, any) {
		return 200, listOf([]api.Plugin{
			{
				Name: "oci", Kind: "registry", Version: "1", Protocol: 1, Builtin: true, State: "ready", Since: today().Add(-2 * time.Hour),
				PID: 4711, Calls: 17, InFlight: 2, Capabilities: []string{"catalog", "tags"},
			},
			{
				Name: "nexus", Kind: "registry", State: "failed", Since: today().Add(-time.Minute), RetryAt: today().Add(9 * time.Minute),
				Restarts: 4, LastError: "the process ended: exit status 3",
			},
		})
	})
	f.handle(mux, "GET /audit", "", func(r *http.Request) (int, any) {
		events := []api.AuditEvent{
			{Time: today(), Actor: "admin", Action: "registry.add", Target: "shop", Outcome: "ok"},
			{Time: today().Add(-time.Hour), Actor: "eve\x1b[2J", Action: "login", Outcome: "wrong password"},
		}
		if r.URL.Query().Get("limit") == "1" {
			return 200, api.List[api.AuditEvent]{Items: events[:1], Next: "1"}
		}
		return 200, listOf(events)
	})
	f.accessRoutes(mux)
	f.federationRoutes(mux)
	f.tokenRoutes(mux)
	f.registryRoutes(mux)
	f.imageRoutes(mux)
	f.admissionRoutes(mux)
}

// handle serves one route under the lock: 401 without a credential, 403 when
// need is "write" and the asker is a reader.
func (f *fake) handle(mux *http.ServeMux, pattern, need string, h func(*http.Request) (int, any)) {
	method, route, _ := cutSpace(pattern)
	mux.HandleFunc(method+" /api/v1"+route, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case r.Header.Get("Authorization") != "Bearer session-token" && r.Header.Get("X-Muster-Apikey") != "ci:key":
			answer(w, 401, refusal("Login required", "no valid session"))
		case need == "write" && f.role == "reader":
			answer(w, 403, refusal("Access denied", "a reader may not change anything"))
		default:
			status, body := h(r)
			answer(w, status, body)
		}
	})
}

func cutSpace(s string) (before, after string, ok bool) {
	for i, r := range s {
		if r == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in api.LoginRequest
	if err := decode(r, &in); err != nil {
		answer(w, 400, refusal("Bad request", err.Error()))
		return
	}
	if in.Password != f.password {
		answer(w, 401, refusal("Login failed", "the name or the password is wrong"))
		return
	}
	answer(w, 200, api.LoginResponse{Token: "session-token", ExpiresAt: today().Add(6 * time.Hour), Username: in.Username, Role: f.role})
}

func (f *fake) accessRoutes(mux *http.ServeMux) {
	f.handle(mux, "GET /accounts", "", func(*http.Request) (int, any) { return 200, listOf(f.accounts) })
	f.handle(mux, "POST /accounts", "write", func(r *http.Request) (int, any) {
		var a api.Account
		if err := decode(r, &a); err != nil || a.Password == "" {
			return 400, refusal("Bad request", "password is missing")
		}
		a.Password = ""
		f.accounts = append(f.accounts, a)
		return 201, a
	})
	f.handle(mux, "DELETE /accounts/{name}", "write", func(r *http.Request) (int, any) {
		f.accounts = slices.DeleteFunc(f.accounts, func(a api.Account) bool { return a.Username == r.PathValue("name") })
		return 204, nil
	})
	f.handle(mux, "PUT /accounts/{name}/password", "", func(r *http.Request) (int, any) {
		var in api.PasswordChange
		if err := decode(r, &in); err != nil || (r.PathValue("name") == "admin" && in.Current != f.password) {
			return 403, refusal("Access denied", "the current password is wrong")
		}
		return 204, nil
	})
	f.handle(mux, "GET /apikeys", "", func(*http.Request) (int, any) { return 200, listOf(f.keys) })
	f.handle(mux, "POST /apikeys", "write", func(r *http.Request) (int, any) {
		var k api.APIKey
		if err := decode(r, &k); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		k.CreatedBy, k.CreatedAt = "admin", today()
		f.keys = append(f.keys, k)
		k.Key = k.Name + ":secret"
		return 201, k
	})
	f.handle(mux, "DELETE /apikeys/{name}", "write", func(r *http.Request) (int, any) {
		f.keys = slices.DeleteFunc(f.keys, func(k api.APIKey) bool { return k.Name == r.PathValue("name") })
		return 204, nil
	})
}

func (f *fake) federationRoutes(mux *http.ServeMux) {
	f.handle(mux, "POST /federation/promote", "write", func(r *http.Request) (int, any) {
		var in api.PromoteRequest
		if err := decode(r, &in); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		if f.fed.Role != "standalone" {
			return 409, refusal("Conflict", "this cluster is "+f.fed.Role+" already")
		}
		f.fed.Role, f.fed.FederationID, f.fed.Advertise, f.fed.Since = "primary", "fed-1", in.Advertise, today()
		if in.Name != "" {
			f.fed.ClusterName = in.Name
		}
		return 200, f.fed
	})
	f.handle(mux, "POST /federation/demote", "write", func(*http.Request) (int, any) {
		f.fed = api.Federation{Role: "standalone", ClusterID: "c-1", ClusterName: f.fed.ClusterName}
		return 200, f.fed
	})
	f.handle(mux, "POST /federation/join", "write", func(r *http.Request) (int, any) {
		var in api.JoinRequest
		if err := decode(r, &in); err != nil || in.Token != "join-token" {
			e := refusal("Join refused", "the token was used")
			e.Hint = "muster token create on the primary"
			return 410, e
		}
		f.fed.Role, f.fed.PrimaryName, f.fed.Primary = "managed", "west", "west.example:11443"
		return 200, f.fed
	})
	f.handle(mux, "POST /federation/leave", "write", func(r *http.Request) (int, any) {
		var in api.LeaveRequest
		if err := decode(r, &in); err != nil || !in.Force {
			return 503, refusal("Primary unreachable", "the primary cannot be told")
		}
		f.fed = api.Federation{Role: "standalone", ClusterID: "c-1", ClusterName: "west"}
		return 200, f.fed
	})
	f.handle(mux, "GET /federation/settings", "", func(*http.Request) (int, any) { return 200, f.fed.Settings })
	f.handle(mux, "PUT /federation/settings", "write", func(r *http.Request) (int, any) {
		if err := decode(r, &f.fed.Settings); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		return 200, f.fed.Settings
	})
	f.handle(mux, "GET /clusters", "", func(*http.Request) (int, any) { return 200, listOf(f.clusters) })
	f.handle(mux, "DELETE /clusters/{id}", "write", func(r *http.Request) (int, any) {
		f.clusters = slices.DeleteFunc(f.clusters, func(c api.Cluster) bool { return c.ID == r.PathValue("id") })
		return 204, nil
	})
	f.handle(mux, "POST /clusters/{id}/deploy", "write", func(*http.Request) (int, any) { return 202, nil })
}

func (f *fake) tokenRoutes(mux *http.ServeMux) {
	f.handle(mux, "GET /federation/tokens", "", func(*http.Request) (int, any) { return 200, listOf(f.tokens) })
	f.handle(mux, "POST /federation/tokens", "write", func(r *http.Request) (int, any) {
		var in api.TokenRequest
		if err := decode(r, &in); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		ttl := max(in.TTLSeconds, 1)
		if in.TTLSeconds == 0 {
			ttl = 3600
		}
		k := api.Token{
			ID: "tok-" + strconv.Itoa(len(f.tokens)+1), CreatedBy: "admin", CreatedAt: today(),
			ExpiresAt: today().Add(time.Duration(ttl) * time.Second), MaxUses: max(1, in.MaxUses), State: "valid",
		}
		f.tokens = append(f.tokens, k)
		k.Token = "join-token"
		return 201, k
	})
	f.handle(mux, "DELETE /federation/tokens/{id}", "write", func(r *http.Request) (int, any) {
		for i := range f.tokens {
			if f.tokens[i].ID == r.PathValue("id") {
				f.tokens[i].State = "revoked"
				return 204, nil
			}
		}
		return 404, refusal("Object not found", "there is no token "+r.PathValue("id"))
	})
}

func listOf[T any](items []T) api.List[T] {
	if items == nil {
		items = []T{}
	}
	return api.List[T]{Items: items}
}

func refusal(title, message string) api.Error {
	return api.Error{Code: 7, Error: title, Message: message}
}

func decode(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

func answer(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, string(data))
}
