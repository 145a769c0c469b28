package quay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/registry/internal/registrytest"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const (
	oauth = "oauth-secret"
	robot = "acme+scan"
)

type entry struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	IsPublic  bool   `json:"is_public"`
	Kind      string `json:"kind"`
}

// fake is Quay with one namespace.
type fake struct {
	repos  []entry
	tags   map[string][]string
	tokens registrytest.Tokens
	moves  atomic.Int32 // how often all tags have moved
}

// tokens gives them to the robot, to the owner of the OAuth token, and for what
// is public to anybody.
func tokens() registrytest.Tokens {
	return registrytest.Tokens{Realm: "/v2/auth", Service: "quay", Accepts: func(user, password string, ok bool) bool {
		return !ok || user+":"+password == robot+":pw" || user+":"+password == tokenUser+":"+oauth
	}}
}

func newFake() *fake {
	f := &fake{tags: map[string][]string{"acme/r000": {}}, tokens: tokens()}
	for i := range 45 {
		f.repos = append(f.repos, entry{"acme", fmt.Sprintf("r%03d", i), i%10 == 0, "image"})
	}
	f.repos[44].Kind = "application"
	for i := range 30 {
		f.tags["acme/r000"] = append(f.tags["acme/r000"], fmt.Sprintf("v%02d", i))
	}
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/v1/repository" {
		f.repositories(w, r)
		return
	}
	if f.tokens.Answers(w, r) {
		return
	}
	repo, isTags := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")
	switch tags, ok := f.tags[repo]; {
	case r.URL.Path == "/v2/":
	case strings.Contains(r.URL.Path, "/manifests/"):
		w.Header().Set("Docker-Content-Digest", registrytest.Digest(1+int(f.moves.Load())))
	case isTags && ok:
		page, _ := strconv.Atoi(r.URL.Query().Get("next_page"))
		part, more := registrytest.Slice(tags, page+1, 10)
		if more {
			w.Header().Set("Link", fmt.Sprintf(`<%s?n=1000&next_page=%d>; rel="next"`, r.URL.Path, page+1))
		}
		registrytest.JSON(w, map[string]any{"name": repo, "tags": part})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *fake) repositories(w http.ResponseWriter, r *http.Request) {
	auth, query := r.Header.Get("Authorization"), r.URL.Query()
	if auth != "" && auth != "Bearer "+oauth {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_token","error_message":"Invalid bearer token format"}`)
		return
	}
	var seen []entry
	for _, e := range f.repos {
		if e.Namespace == query.Get("namespace") && (auth != "" || e.IsPublic && query.Get("public") == "true") {
			seen = append(seen, e)
		}
	}
	page := 0
	if next := query.Get("next_page"); next != "" {
		if _, err := fmt.Sscanf(next, "gAAAA+page/%d=", &page); err != nil { // like Quay's, it needs escaping
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	part, more := registrytest.Slice(seen, page+1, 2)
	if auth != "" {
		part, more = registrytest.Slice(seen, page+1, 20)
	}
	answer := map[string]any{"repositories": part}
	if more {
		answer["next_page"] = fmt.Sprintf("gAAAA+page/%d=", page+1)
	}
	registrytest.JSON(w, answer)
}

func configOf(url, path string, more ...string) sdk.Config {
	settings := map[string]string{"url": url + path}
	for i := 0; i+1 < len(more); i += 2 {
		settings[more[i]] = more[i+1]
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		panic(err)
	}
	return raw
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t, newFake())
	tests := map[string]struct {
		cfg  sdk.Config
		want int
		err  error
	}{
		"anonymous":          {configOf(s.URL, "/acme"), 5, nil},
		"token":              {configOf(s.URL, "/acme", "token", oauth), 44, nil},
		"token and robot":    {configOf(s.URL, "", "token", oauth, "username", robot, "password", "pw"), 44, nil},
		"robot":              {configOf(s.URL, "", "username", robot, "password", "pw"), 0, errRobot},
		"no namespace":       {configOf(s.URL, "", "token", oauth), 0, errNoNamespace},
		"an empty namespace": {configOf(s.URL, "/empty", "token", oauth), 0, nil},
		"a wrong token":      {configOf(s.URL, "/acme", "token", "x"), 0, sdk.ErrUnauthorized},
	}
	for name, tt := range tests {
		repos, err := registrytest.List(New().Repositories(t.Context(), tt.cfg))
		if len(repos) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d repositories of %d, error %v", name, len(repos), tt.want, err)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t, newFake())
	for name, cfg := range map[string]sdk.Config{
		"robot": configOf(s.URL, "", "username", robot, "password", "pw"), "token": configOf(s.URL, "/acme", "token", oauth),
	} {
		if tags, err := registrytest.List(New().Tags(t.Context(), cfg, "acme/r000")); err != nil || len(tags) != 30 {
			t.Errorf("%s: %d tags, error %v", name, len(tags), err)
		}
	}
	if tags, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL, "/acme"), "acme/gone")); err != nil || len(tags) != 0 {
		t.Errorf("a repository that was deleted: %v, %v", tags, err)
	}
	if _, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL, "", "username", robot, "password", "x"), "acme/r000")); !errors.Is(err, sdk.ErrUnauthorized) {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestTokenExpires: the registry's tokens expire in the middle of a listing, and
// between two tags that are resolved.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.tokens.Life = 2
	s := registrytest.Start(t, f)
	r, cfg := New(), configOf(s.URL, "", "username", robot, "password", "pw")
	if tags, err := registrytest.List(r.Tags(t.Context(), cfg, "acme/r000")); err != nil || len(tags) != 30 || f.tokens.Given() != 2 {
		t.Errorf("listed %d tags with %d tokens, error %v", len(tags), f.tokens.Given(), err)
	}
	for range 3 {
		if _, err := r.ResolveTag(t.Context(), cfg, "acme/r000", "v01"); err != nil {
			t.Error(err)
		}
	}
	if f.tokens.Given() != 3 {
		t.Errorf("%d tokens for six requests, each good for two", f.tokens.Given())
	}
}

func TestMovedTag(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := registrytest.Start(t, f)
	registrytest.Moved(t, New(), configOf(s.URL, "/acme", "token", oauth), "acme/r000", "v01", func() string {
		return registrytest.Digest(1 + int(f.moves.Add(1)))
	})
}

func TestFailures(t *testing.T) {
	t.Parallel()
	registrytest.Failures(t, registrytest.Kind{
		Start: func(t *testing.T, env wire.Env, faults ...*registrytest.Fault) (sdk.Registry, sdk.Config) {
			return newRegistry(env), configOf(registrytest.Start(t, newFake(), faults...).URL, "/acme", "token", oauth)
		},
		Repositories: "/api/v1/repository", Tags: "/tags/list", Repository: "acme/r000",
	})
}

func TestCircle(t *testing.T) {
	t.Parallel()
	again := &registrytest.Fault{On: "/api/v1/repository", From: 1, Times: 99, Answer: func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"repositories":[],"next_page":"same"}`)
	}}
	s := registrytest.Start(t, newFake(), again)
	if _, err := registrytest.List(New().Repositories(t.Context(), configOf(s.URL, "/acme"))); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("pages that go round in a circle give %v", err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fake{"full": newFake(), "empty": {tokens: tokens()}} {
		s := registrytest.Start(t, f)
		conn, err := sdktest.Connect(Plugin("test"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if r := sdktest.Check(t.Context(), conn, sdktest.Options{Config: configOf(s.URL, "/acme", "token", oauth)}); !r.OK() {
			t.Errorf("%s: %s", name, r)
		}
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t, newFake())
	tests := map[string]struct {
		cfg  sdk.Config
		want string // name of the last step, with "!" if it failed
		fix  string
	}{
		"all well":     {configOf(s.URL, "/acme", "token", oauth), "read", ""},
		"wrong robot":  {configOf(s.URL, "", "username", robot, "password", "x"), "authenticate!", "NAMESPACE+NAME"},
		"only a robot": {configOf(s.URL, "", "username", robot, "password", "pw"), "list!", "repo:read"},
		"no namespace": {configOf(s.URL, ""), "list!", "https://quay.io/acme"},
		"wrong token":  {configOf(s.URL, "/acme", "token", "x", "username", robot, "password", "pw"), "list!", "revoked"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, err := New().Diagnose(t.Context(), tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			last := steps[len(steps)-1]
			got := last.Name
			if !last.OK {
				got += "!"
			}
			if got != tt.want || !strings.Contains(last.Fix, tt.fix) {
				t.Errorf("%+v", steps)
			}
		})
	}
}

func TestDecodePush(t *testing.T) {
	t.Parallel()
	two := []sdk.Push{{Repository: "acme/web", Tag: "1.0"}, {Repository: "acme/web", Tag: "latest"}}
	tests := map[string]struct {
		body string
		want []sdk.Push
		err  error
	}{
		"a list":         {`{"name":"web","repository":"acme/web","namespace":"acme","docker_url":"quay.io/acme/web","updated_tags":["1.0","latest"]}`, two, nil},
		"an object":      {`{"repository":"acme/web","updated_tags":{"latest":"b750","1.0":"b751"}}`, two, nil},
		"something else": {`{"repository":"acme/web","build_id":"296ec063"}`, nil, nil},
		"no repository":  {`{"updated_tags":["1.0"]}`, nil, sdk.ErrInvalid},
		"not tags":       {`{"repository":"acme/web","updated_tags":7}`, nil, sdk.ErrInvalid},
		"a bad tag":      {`{"repository":"acme/web","updated_tags":["../x"]}`, nil, sdk.ErrInvalid},
	}
	for name, tt := range tests {
		got, err := New().DecodePush(t.Context(), sdk.Config(`{"url":"https://quay.io"}`), sdk.PushEvent{Body: []byte(tt.body)})
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func FuzzDecodePush(f *testing.F) {
	f.Add([]byte(`{"repository":"acme/web","updated_tags":["1.0"]}`))
	f.Add([]byte(`{"repository":"acme/web","updated_tags":{"a":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		pushes, err := decodePush(sdk.PushEvent{Body: body})
		if err != nil && !errors.Is(err, sdk.ErrInvalid) && !errors.Is(err, sdk.ErrLimit) {
			t.Errorf("an error without a kind: %v", err)
		}
		for _, p := range pushes {
			if p.Repository == "" || p.Tag == "" {
				t.Errorf("a push of nothing: %+v", p)
			}
		}
	})
}

func TestNextPage(t *testing.T) {
	t.Parallel()
	at, err := url.Parse("https://quay.io/api/v1/repository?namespace=acme&next_page=old")
	if err != nil {
		t.Fatal(err)
	}
	next, err := nextPage(listing{NextPage: "a+b/c="}, nil, at)
	if err != nil || next.Query().Get("next_page") != "a+b/c=" || next.Query().Get("namespace") != "acme" || at.Query().Get("next_page") != "old" {
		t.Errorf("%v from %v, %v", next, at, err)
	}
}
