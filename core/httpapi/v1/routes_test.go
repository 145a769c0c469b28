package v1_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/httpapi/api"
	v1 "github.com/muster-sec/muster/core/httpapi/v1"
	"github.com/muster-sec/muster/core/model"
)

// example is one good request per route, with what the service is asked and
// how it is answered.
type example struct {
	question
	status int
	call   string
}

const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE",
	"kind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","name":"web",
	"object":{"spec":{"containers":[{"name":"web","image":"hub.example/app:1"}]}}}}`

const newRule = `{"rule_type":"deny","criteria":[{"name":"cveCriticalCount","op":">=","value":"1"}]}`

func examples() []example {
	const d = "/images/" + string(digest)
	q := func(method, path, body string) question {
		return question{method: method, path: path, body: body, as: "fedAdmin"}
	}
	return []example{
		{question{method: "GET", path: "/openapi.yaml"}, 200, ""},
		{question{method: "POST", path: "/login", body: `{"username":"amy","password":"pw"}`}, 200, "login amy pw from 127.0.0.1"},
		{q("POST", "/logout", ""), 204, "logout token-fedAdmin"},
		{q("GET", "/status", ""), 200, ""},
		{q("GET", "/accounts", ""), 200, "accounts"},
		{q("POST", "/accounts", `{"username":"bob","role":"reader","password":"password"}`), 201, "amy adds bob reader password"},
		{q("DELETE", "/accounts/bob", ""), 204, "amy removes bob"},
		{q("PUT", "/accounts/amy/password", `{"current":"a","new":"b"}`), 204, "amy sets password of amy from a to b"},
		{q("GET", "/apikeys", ""), 200, "keys"},
		{q("POST", "/apikeys", `{"name":"ci","role":"ciops"}`), 201, "amy adds key ci ciops"},
		{q("DELETE", "/apikeys/ci", ""), 204, "amy removes key ci"},
		{q("GET", "/federation", ""), 200, ""},
		{q("POST", "/federation/promote", `{"name":"hq","advertise":"hq:11443"}`), 200, "amy promotes as hq at hq:11443"},
		{q("POST", "/federation/demote", ""), 200, "amy demotes"},
		{q("POST", "/federation/join", `{"token":"t","name":"edge"}`), 200, "amy joins with t as edge"},
		{q("POST", "/federation/leave", `{"force":true}`), 200, "amy leaves, force true"},
		{q("GET", "/federation/settings", ""), 200, ""},
		{q("PUT", "/federation/settings", `{"fed_sync":{"ci_results":true}}`), 200, "amy sets {SyncCIResults:true}"},
		{q("GET", "/federation/tokens", ""), 200, "tokens"},
		{q("POST", "/federation/tokens", `{"ttl_seconds":60,"max_uses":2}`), 201, "amy creates a token for 1m0s, 2 uses"},
		{q("DELETE", "/federation/tokens/t1", ""), 204, "amy revokes t1"},
		{q("GET", "/clusters", ""), 200, "clusters"},
		{q("GET", "/clusters/m1", ""), 200, "clusters"},
		{q("DELETE", "/clusters/m1", ""), 204, "amy removes cluster m1"},
		{q("POST", "/clusters/m1/deploy", ""), 202, "amy deploys to m1"},
		{q("GET", "/registries", ""), 200, "registries"},
		{q("POST", "/registries", `{"name":"fed.hub","type":"oci","url":"https://h","password":"pw"}`), 201, "registry fed.hub"},
		{q("GET", "/registries/fed.hub", ""), 200, "registry fed.hub"},
		{q("PATCH", "/registries/fed.hub", `{"schedule":"@every 10m"}`), 200, "registry fed.hub"},
		{q("DELETE", "/registries/fed.hub", ""), 204, "amy removes fed.hub"},
		{q("POST", "/registries/fed.hub/scan", ""), 202, "amy scans fed.hub"},
		{q("DELETE", "/registries/fed.hub/scan", ""), 204, "amy stops fed.hub"},
		{q("GET", "/registries/fed.hub/runs/5", ""), 200, "run 5 of fed.hub"},
		{q("POST", "/registries/fed.hub/test", ""), 200, `amy tests fed.hub oci https://hub.example [app/*] "bot" rescan true with password hunter2`},
		{q("POST", "/registries/fed.hub/push-key", ""), 201, "amy makes a push key of fed.hub"},
		{q("DELETE", "/registries/fed.hub/push-key", ""), 204, "amy removes the push key of fed.hub"},
		{question{method: "POST", path: "/registries/fed.hub/push/K3Y", body: `{"a":1}`}, 204, `push to fed.hub with K3Y: {"a":1}, application/json`},
		{q("POST", "/registry-test", `{"name":"x","type":"oci","url":"https://h","password":"pw"}`), 200, `amy tests x oci https://h [] "" rescan true with password pw`},
		{q("GET", "/images?registry=fed.hub&status=finished&severity=high&q=app&cursor=c&limit=7", ""), 200,
			"images {Registry:fed.hub Status:finished Severity:high Text:app Cursor:c Limit:7}"},
		{q("GET", d, ""), 200, "verdicts " + string(digest)},
		{q("GET", d+"/verdict", ""), 200, "verdicts " + string(digest)},
		{q("GET", "/results", ""), 200, "results"},
		{q("POST", "/results?format=trivy&job=j&source=s&reference=r&digest="+string(digest), `{"a":1}`), 201,
			"amy submits 7 bytes, {Format:trivy Job:j Source:s Digest:" + string(digest) + " Reference:r}"},
		{q("GET", "/rules", ""), 200, "rules"},
		{q("POST", "/rules", newRule), 201, "amy adds rule 0 user_created deny"},
		{q("GET", "/rules/1000", ""), 200, "rule 1000"},
		{q("PUT", "/rules/1000", newRule), 200, "amy changes rule 1000"},
		{q("DELETE", "/rules/1000", ""), 204, "amy removes rule 1000"},
		{q("GET", "/admission/state", ""), 200, ""},
		{q("PUT", "/admission/state", `{"enable":true,"mode":"protect"}`), 200, "amy sets {Enable:true Mode:protect}"},
		{q("POST", "/admission/review", review), 200, "review Pod web"},
		{q("GET", "/db", ""), 200, ""},
		{q("GET", "/plugins", ""), 200, ""},
		{q("GET", "/audit?cursor=50&limit=3", ""), 200, `audit from "50", 3`},
	}
}

// exampleOf finds a route's example.
func exampleOf(t *testing.T, route v1.Route) example {
	t.Helper()
	path := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(route.Path), `[^/?]+`)
	pattern := regexp.MustCompile("^" + path + `(\?.*)?$`)
	for _, e := range examples() {
		if e.method == route.Method && pattern.MatchString(e.path) {
			return e
		}
	}
	t.Fatalf("%s %s has no example", route.Method, route.Path)
	return example{}
}

// TestEveryRouteAsDescribed asks every route once. Requests and answers are
// held against openapi.yaml on the way.
func TestEveryRouteAsDescribed(t *testing.T) {
	t.Parallel()
	h := newHouse()
	s := serve(t, h)
	if routes := newAPI(t, h).Routes(); len(routes) != len(examples()) {
		t.Errorf("%d routes, %d examples", len(routes), len(examples()))
	}
	for _, e := range examples() {
		before := h.last()
		status, header, body := s.ask(t, e.question)
		if status != e.status {
			t.Errorf("%s %s: %d, want %d: %s", e.method, e.path, status, e.status, body)
		}
		if e.call != "" && h.last() != e.call || e.call == "" && h.last() != before {
			t.Errorf("%s %s asks for %q, want %q", e.method, e.path, h.last(), e.call)
		}
		if header.Get("X-Request-Id") == "" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: header %v", e.method, e.path, header)
		}
	}
}

// TestRoutesAndDescriptionAgree holds the table against openapi.yaml, both ways.
func TestRoutesAndDescriptionAgree(t *testing.T) {
	t.Parallel()
	doc, _ := description(t)
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	ids := map[string]bool{}
	for _, route := range newAPI(t, newHouse()).Routes() {
		name := route.Method + " " + route.Path
		if !described[name] {
			t.Errorf("%s is not described", name)
			continue
		}
		delete(described, name)
		op := doc.Paths.Find(route.Path).GetOperation(route.Method)
		if remote := op.Extensions["x-remote"]; remote != string(route.Remote) {
			t.Errorf("%s: x-remote is %v, the table says %s", name, remote, route.Remote)
		}
		if public := op.Security != nil && len(*op.Security) == 0; public != route.Public {
			t.Errorf("%s: described as public %v, the table says %v", name, public, route.Public)
		}
		if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || len(op.Tags) != 1 {
			t.Errorf("%s: operation id %q, summary %q, tags %v", name, op.OperationID, op.Summary, op.Tags)
		}
		ids[op.OperationID] = true
	}
	for name := range described {
		t.Errorf("%s is described and does not exist", name)
	}
}

// TestSwitchReachesOnlyWhatItMay spells out what can never go through the switch.
func TestSwitchReachesOnlyWhatItMay(t *testing.T) {
	t.Parallel()
	for _, route := range newAPI(t, newHouse()).Routes() {
		reading := route.Method == http.MethodGet || route.Path == "/admission/review"
		switch {
		case !slices.Contains([]v1.Remote{v1.RemoteNone, v1.RemoteRead, v1.RemoteWrite}, route.Remote):
			t.Errorf("%s %s: remote %q", route.Method, route.Path, route.Remote)
		case route.Remote == v1.RemoteRead && !reading:
			t.Errorf("%s %s changes something and is forwarded for readers", route.Method, route.Path)
		case route.Remote != v1.RemoteNone && (route.Public || !reading && hasPrefix(route.Path, "/accounts", "/apikeys", "/federation", "/clusters", "/log")):
			t.Errorf("%s %s must not be forwarded", route.Method, route.Path)
		}
	}
}

func hasPrefix(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(path, p) })
}

// TestWhoMayDoWhat asks every route as nobody, with a bad token and as every
// role, and counts 401 and 403.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	h := newHouse()
	s := serve(t, h)
	var public []string
	for _, route := range newAPI(t, h).Routes() {
		name := route.Method + " " + route.Path
		e := exampleOf(t, route)
		ask := func(as string) int {
			e.as = as
			status, _, body := s.ask(t, e.question)
			if status >= 400 {
				decode[api.Error](t, body)
			}
			return status
		}
		if status := ask(""); status != http.StatusUnauthorized {
			public = append(public, name)
		}
		if route.Public {
			continue
		}
		if len(route.Permissions) > 0 {
			if status := ask("unknown-role"); status != http.StatusForbidden {
				t.Errorf("%s for an unknown role: %d", name, status)
			}
		}
		for _, role := range model.Roles() {
			may := len(route.Permissions) == 0 || slices.ContainsFunc(route.Permissions, role.Can)
			status := ask(string(role))
			if may != (status < 300) || !may && status != http.StatusForbidden {
				t.Errorf("%s as %s: %d, may %v", name, role, status, may)
			}
		}
	}
	want := []string{"GET /openapi.yaml", "POST /login", "POST /registries/{name}/push/{key}"}
	if !slices.Equal(public, want) {
		t.Errorf("without a login: %v, want %v", public, want)
	}
}

// TestReadersChangeNothing spells out the intent behind the permissions.
func TestReadersChangeNothing(t *testing.T) {
	t.Parallel()
	for _, route := range newAPI(t, newHouse()).Routes() {
		own := route.Path == "/logout" || route.Path == "/accounts/{name}/password"
		reading := route.Method == http.MethodGet || route.Path == "/admission/review"
		if route.Public || own || reading {
			continue
		}
		if len(route.Permissions) == 0 || slices.ContainsFunc(route.Permissions, model.RoleReader.Can) {
			t.Errorf("a reader may %s %s", route.Method, route.Path)
		}
	}
}

func TestEverythingElseIsAnErrorInTheSameForm(t *testing.T) {
	t.Parallel()
	s := serve(t, newHouse())
	for _, tt := range []struct {
		method, path string
		status, code int
	}{
		{"GET", "/nothing", 404, 1},
		{"GET", "/", 404, 1},
		{"DELETE", "/rules", 405, 2},
		{"PUT", "/images/" + string(digest), 405, 2},
		{"GET", "/registries/a/b/c", 404, 1},
	} {
		status, _, body := s.ask(t, question{method: tt.method, path: tt.path, as: "admin", wild: true})
		if e := decode[api.Error](t, body); status != tt.status || e.Code != tt.code || e.Message == "" {
			t.Errorf("%s %s: %d %+v", tt.method, tt.path, status, e)
		}
	}
}
