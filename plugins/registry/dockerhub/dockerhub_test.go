package dockerhub

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

const pat = "dckr_pat_secret"

// fake is Docker Hub, its API and its registry behind one address.
type fake struct {
	repos  []repository
	tags   map[string][]string
	spent  bool  // the pulls of the day
	life   int32 // how many requests a token of the API lasts; 0 is forever
	logins atomic.Int32
	uses   atomic.Int32
	tokens registrytest.Tokens // of the registry
	moves  atomic.Int32        // how often all tags have moved
}

// tokens gives them to the account, and for what is public to anybody.
func tokens() registrytest.Tokens {
	return registrytest.Tokens{Realm: "/token", Service: "registry.docker.io", Accepts: func(user, password string, ok bool) bool {
		return !ok || user+":"+password == "acme:"+pat
	}}
}

func newFake() *fake {
	f := &fake{tags: map[string][]string{"acme/r000": {}}, tokens: tokens()}
	for i := range 250 {
		f.repos = append(f.repos, repository{Name: fmt.Sprintf("r%03d", i), Namespace: "acme", Type: "image"})
	}
	f.repos[249].Type = "plugin"
	for i := range 25 {
		f.tags["acme/r000"] = append(f.tags["acme/r000"], fmt.Sprintf("v%02d", i))
	}
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/v2/auth/token":
		var body struct{ Identifier, Secret string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost || body.Identifier+":"+body.Secret != "acme:"+pat {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"detail":"Incorrect authentication credentials"}`)
			return
		}
		f.uses.Store(0)
		registrytest.JSON(w, map[string]string{"access_token": fmt.Sprint("bearer", f.logins.Add(1))})
	case strings.HasPrefix(r.URL.Path, "/v2/namespaces/"):
		f.repositories(w, r)
	case f.tokens.Answers(w, r):
	default:
		f.registry(w, r)
	}
}

func (f *fake) repositories(w http.ResponseWriter, r *http.Request) {
	auth := r.Header.Get("Authorization")
	if auth != "" && (auth != fmt.Sprint("Bearer bearer", f.logins.Load()) || f.life > 0 && f.uses.Add(1) > f.life) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message":"token has expired"}`)
		return
	}
	if r.URL.Path != "/v2/namespaces/acme/repositories" {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"object not found"}`)
		return
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
	part, more := registrytest.Slice(f.repos, page, min(size, 100))
	answer := map[string]any{"count": len(f.repos), "next": nil, "results": part}
	if more {
		answer["next"] = fmt.Sprintf("https://hub.docker.com%s?page=%d", r.URL.Path, page+1)
	}
	registrytest.JSON(w, answer)
}

func (f *fake) registry(w http.ResponseWriter, r *http.Request) {
	repo, isTags := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")
	switch tags, ok := f.tags[repo]; {
	case r.URL.Path == "/v2/":
	case strings.Contains(r.URL.Path, "/manifests/"):
		w.Header().Set("ratelimit-limit", "100;w=21600")
		w.Header().Set("ratelimit-remaining", "76;w=21600")
		if f.spent {
			w.Header().Set("ratelimit-remaining", "0;w=21600")
		}
		if r.Method == http.MethodHead {
			w.Header().Set("Docker-Content-Digest", registrytest.Digest(1+int(f.moves.Load())))
		}
	case isTags && ok:
		start, _ := slices.BinarySearch(tags, r.URL.Query().Get("last")+"\x00")
		part, more := registrytest.Slice(tags[start:], 1, 10)
		if more {
			w.Header().Set("Link", "<"+r.URL.Path+"?n=10&last="+part[9]+`>; rel="next"`)
		}
		registrytest.JSON(w, map[string]any{"name": repo, "tags": part})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func configOf(s *registrytest.Server, path string, more ...string) sdk.Config {
	settings := map[string]string{"url": s.URL + path, "api_url": s.URL}
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
	tests := map[string]struct {
		path string
		more []string
		want int
		err  error
	}{
		"anonymous":      {"/acme", nil, 249, nil},
		"of the user":    {"", []string{"username", "acme", "password", pat}, 249, nil},
		"wrong password": {"/acme", []string{"username", "acme", "password", "x"}, 0, sdk.ErrUnauthorized},
		"no namespace":   {"", nil, 0, errNoNamespace},
		"not there":      {"/nobody", nil, 0, sdk.ErrNotFound},
	}
	for name, tt := range tests {
		s := registrytest.Start(t, newFake())
		repos, err := registrytest.List(New().Repositories(t.Context(), configOf(s, tt.path, tt.more...)))
		if len(repos) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d repositories of %d, error %v", name, len(repos), tt.want, err)
		}
		if want := map[bool]int{true: 1, false: 0}[tt.more != nil]; s.Count("/v2/auth/token") != want {
			t.Errorf("%s: %q", name, s.Requests())
		}
	}
}

// TestTokenExpires: the token of the API expires in the middle of a listing,
// which goes on with a new one; a token that is never accepted ends it.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.life = 2
	s := registrytest.Start(t, f)
	login := []string{"username", "acme", "password", pat}
	repos, err := registrytest.List(New().Repositories(t.Context(), configOf(s, "", login...)))
	if err != nil || len(repos) != 249 || f.logins.Load() != 2 {
		t.Errorf("listed %d repositories with %d logins, error %v", len(repos), f.logins.Load(), err)
	}
	s = registrytest.Start(t, newFake(), &registrytest.Fault{On: "/v2/namespaces/", From: 1, Times: 99, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}})
	if _, err := registrytest.List(New().Repositories(t.Context(), configOf(s, "", login...))); !errors.Is(err, sdk.ErrUnauthorized) || s.Count("/auth/token") != 2 {
		t.Errorf("a token that is never accepted: %v after %q", err, s.Requests())
	}
}

// TestPullTokenExpires: tokens of the registry last for minutes; listing and
// resolving tags go on with a new one, and spend no pull for that.
func TestPullTokenExpires(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.tokens.Life = 2
	s := registrytest.Start(t, f)
	r, cfg := New(), configOf(s, "/acme", "username", "acme", "password", pat)
	tags, err := registrytest.List(r.Tags(t.Context(), cfg, "acme/r000"))
	if err != nil || len(tags) != 25 || f.tokens.Given() != 2 {
		t.Errorf("listed %d tags with %d tokens, error %v", len(tags), f.tokens.Given(), err)
	}
	for range 5 {
		if m, err := r.ResolveTag(t.Context(), cfg, "acme/r000", "v01"); err != nil || m.Digest != registrytest.Digest(1) {
			t.Errorf("resolved to %v, error %v", m, err)
		}
	}
	if f.tokens.Given() != 4 || s.Count("GET /v2/acme/r000/manifests") != 0 {
		t.Errorf("%d tokens for eight requests, each good for two: %q", f.tokens.Given(), s.Requests())
	}
}

func TestMovedTag(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := registrytest.Start(t, f)
	registrytest.Moved(t, New(), configOf(s, "/acme"), "acme/r000", "v01", func() string {
		return registrytest.Digest(1 + int(f.moves.Add(1)))
	})
}

// TestPullBudget: when all pulls are used up, tags are still resolved by HEAD,
// which is free, and a pull is not even tried.
func TestPullBudget(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.spent = true
	noDigest := &registrytest.Fault{On: "/manifests/old", From: 1, Times: 99, Answer: func(http.ResponseWriter, *http.Request) {}}
	s := registrytest.Start(t, f, noDigest)
	clock := registrytest.NewClock()
	r, cfg := newRegistry(clock.Env()), configOf(s, "/acme")
	for range 3 {
		if m, err := r.ResolveTag(t.Context(), cfg, "acme/r000", "v01"); err != nil || m.Digest != registrytest.Digest(1) {
			t.Fatalf("resolved to %v, error %v", m, err)
		}
	}
	_, err := r.ResolveTag(t.Context(), cfg, "acme/r000", "old")
	if after, ok := sdk.RetryAfter(err); !ok || after.Minutes() != 10 || s.Count("GET /v2/acme/r000/manifests") != 0 {
		t.Errorf("without pulls left: %v after %q", err, s.Requests())
	}
	clock.Advance(11 * 60e9)
	if _, err := r.ResolveTag(t.Context(), cfg, "acme/r000", "old"); err != nil {
		t.Errorf("later: %v", err)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	registrytest.Failures(t, registrytest.Kind{
		Start: func(t *testing.T, env wire.Env, faults ...*registrytest.Fault) (sdk.Registry, sdk.Config) {
			return newRegistry(env), configOf(registrytest.Start(t, newFake(), faults...), "/acme")
		},
		Repositories: "/v2/namespaces/", Tags: "/tags/list", Repository: "acme/r000",
	})
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
		if r := sdktest.Check(t.Context(), conn, sdktest.Options{Config: configOf(s, "/acme", "username", "acme", "password", pat)}); !r.OK() {
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
		"all well":     {configOf(s, "/acme"), "read", ""},
		"wrong token":  {configOf(s, "", "username", "acme", "password", "x"), "authenticate!", "access token"},
		"no namespace": {configOf(s, ""), "list!", "https://docker.io/acme"},
		"not there":    {configOf(s, "/nobody"), "list!", "namespace"},
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

func TestConfigurations(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://docker.io", "https://index.docker.io/acme", "https://registry-1.docker.io"} {
		if c, err := readConfig(sdk.Config(`{"url":"` + url + `"}`)); err != nil || c.api.String() != defaultAPI {
			t.Errorf("%s: %v", url, err)
		}
	}
	for cfg, want := range map[string]string{
		`{}`:                               "url:",
		`{"url":"https://hub.docker.com"}`: "https://docker.io",
		`{"url":"https://quay.io/acme"}`:   "not from quay.io",
		`{"url":"https://docker.io","token":"hunter2"}`: "`password`",
		`{"url":"https://docker.io","username":"me"}`:   "both or none",
	} {
		_, err := New().Credential(t.Context(), sdk.Config(cfg), "a/b")
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", cfg, err)
		}
	}
}

const called = `{"callback_url":"https://registry.hub.docker.com/u/acme/web/hook/1/","push_data":{"pushed_at":1417566161,"pusher":"me","tag":"1.0"},
	"repository":{"name":"web","namespace":"acme","owner":"acme","repo_name":"acme/web","status":"Active"}}`

func TestDecodePush(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]error{called: nil, `{}`: sdk.ErrInvalid, `[`: sdk.ErrInvalid, strings.Replace(called, "1.0", "a b", 1): sdk.ErrInvalid} {
		got, err := New().DecodePush(t.Context(), sdk.Config(`{"url":"https://docker.io"}`), sdk.PushEvent{Body: []byte(body)})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", body, err)
		}
		if diff := cmp.Diff([]sdk.Push{{Repository: "acme/web", Tag: "1.0"}}, got); want == nil && diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func FuzzDecodePush(f *testing.F) {
	f.Add([]byte(called))
	f.Add([]byte(`{"push_data":{"tag":""}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		pushes, err := decodePush(sdk.PushEvent{Body: body})
		if err == nil && (len(pushes) != 1 || pushes[0].Repository == "" || pushes[0].Tag == "") && !strings.Contains(string(body), "sha256-") {
			t.Errorf("pushes %+v", pushes)
		}
		if err != nil && !errors.Is(err, sdk.ErrInvalid) && !errors.Is(err, sdk.ErrLimit) {
			t.Errorf("an error without a kind: %v", err)
		}
	})
}
