package gitlab

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

const token = "glpat-secret"

// fake is GitLab and its registry behind one address.
type fake struct {
	prefix   string // GitLab's path
	projects []project
	repos    map[string][]repository // by group path, project path or project id
	tags     map[string][]string
	jwtLife  int32 // how many requests a token of the registry lasts; 0 is forever

	jwt, uses atomic.Int32
	moves     atomic.Int32 // how often all tags have moved
	shrink    bool         // a project goes while the pages are read
	offset    string       // how projects are paged without keysets: "refused", "ignored"; empty: with them
}

func newFake() *fake {
	f := &fake{repos: map[string][]repository{}, tags: map[string][]string{"group/web": {}}}
	id := int64(1000)
	for p := range int64(150) {
		access := "enabled"
		if p == 3 {
			access = "disabled"
		}
		f.projects = append(f.projects, project{ID: p + 1, Access: access})
		id++
		f.repos[strconv.FormatInt(p+1, 10)] = []repository{{id, fmt.Sprintf("group/sub/p%03d", p)}}
	}
	for i := range int64(130) {
		f.repos["1"] = append(f.repos["1"], repository{2000 + i, fmt.Sprintf("group/web/r%03d", i)})
	}
	for _, all := range f.repos {
		f.repos["group"] = append(f.repos["group"], all...)
	}
	slices.SortFunc(f.repos["group"], func(a, b repository) int { return int(a.ID - b.ID) })
	f.repos["group/web"] = f.repos["1"][1:]
	for i := range 25 {
		f.tags["group/web"] = append(f.tags["group/web"], fmt.Sprintf("v%02d", i))
	}
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, isAPI := strings.CutPrefix(r.URL.EscapedPath(), f.prefix+"/api/v4/")
	switch {
	case r.URL.Path == f.prefix+"/jwt/auth":
		if user, password, _ := r.BasicAuth(); user+":"+password != anyUser+":"+token && user+":"+password != "deploy:pw" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.uses.Store(0)
		registrytest.JSON(w, map[string]string{"token": fmt.Sprint("jwt", f.jwt.Add(1))})
	case isAPI && r.Header.Get("PRIVATE-TOKEN") != token:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message":"401 Unauthorized"}`)
	case isAPI:
		f.serveAPI(w, r, strings.Split(path, "/"))
	default:
		f.serveRegistry(w, r)
	}
}

func (f *fake) serveAPI(w http.ResponseWriter, r *http.Request, parts []string) {
	query := r.URL.Query()
	switch {
	case parts[0] == "user":
		registrytest.JSON(w, map[string]string{"username": "group_1_bot"})
	case len(parts) == 1 && f.offset == "refused" && query.Get("pagination") == "keyset":
		w.WriteHeader(http.StatusMethodNotAllowed)
		fmt.Fprint(w, `{"error":"Keyset pagination is not yet available for this type of request"}`)
	case len(parts) == 1 && f.offset != "" && query.Get("membership") == "true" && query.Get("min_access_level") == "20":
		f.projectsByOffset(w, r)
	case len(parts) == 1 && query.Get("membership") == "true" && query.Get("pagination") == "keyset" && query.Get("min_access_level") == "20":
		after, _ := strconv.Atoi(query.Get("id_after"))
		part, more := registrytest.Slice(f.projects[after:], 1, 100)
		if more {
			query.Set("id_after", strconv.FormatInt(part[len(part)-1].ID, 10))
			w.Header().Set("Link", "<https://"+r.Host+r.URL.Path+"?"+query.Encode()+`>; rel="next"`)
		}
		registrytest.JSON(w, part)
	case len(parts) == 4 && parts[2] == "registry":
		name := strings.ReplaceAll(parts[1], "%2F", "/")
		all, ok := f.repos[name]
		if isGroup := name == "group"; !ok || isGroup != (parts[0] == "groups") {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"404 Not Found"}`)
			return
		}
		page, _ := strconv.Atoi(query.Get("page"))
		part, more := registrytest.Slice(all, page, 100)
		w.Header().Set("X-Total", strconv.Itoa(len(all)))
		w.Header().Set("X-Next-Page", "")
		if more {
			w.Header().Set("X-Next-Page", strconv.Itoa(page+1))
		}
		registrytest.JSON(w, part)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// projectsByOffset is what a GitLab does that knows no keysets for projects: its
// pages shift when a project goes while they are read.
func (f *fake) projectsByOffset(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	page := 1
	if text := query.Get("page"); text != "" {
		page, _ = strconv.Atoi(text)
	}
	part, more := registrytest.Slice(f.projects, page, 100)
	w.Header().Set("X-Total", strconv.Itoa(len(f.projects)))
	w.Header().Set("X-Next-Page", "")
	if more {
		w.Header().Set("X-Next-Page", strconv.Itoa(page+1))
		query.Set("page", strconv.Itoa(page+1))
		w.Header().Set("Link", "<https://"+r.Host+r.URL.Path+"?"+query.Encode()+`>; rel="next"`)
	}
	registrytest.JSON(w, part)
	if page == 1 && f.shrink {
		f.shrink = false
		f.projects = f.projects[1:]
	}
}

func (f *fake) serveRegistry(w http.ResponseWriter, r *http.Request) {
	want := fmt.Sprint("Bearer jwt", f.jwt.Load())
	if expired := f.jwtLife > 0 && f.uses.Add(1) > f.jwtLife; r.Header.Get("Authorization") != want || expired {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+f.prefix+`/jwt/auth",service="container_registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	repo, isTags := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")
	switch tags, ok := f.tags[repo]; {
	case r.URL.Path == "/v2/":
	case strings.Contains(r.URL.Path, "/manifests/"):
		w.Header().Set("Docker-Content-Digest", registrytest.Digest(1+int(f.moves.Load())))
	case isTags && ok:
		start, _ := slices.BinarySearch(tags, r.URL.Query().Get("last")+"\x00")
		part, more := registrytest.Slice(tags[start:], 1, 10)
		if more {
			w.Header().Set("Link", "<"+r.URL.Path+"?n=10&last="+part[9]+`>; rel="next"`)
		}
		registrytest.JSON(w, map[string]any{"name": repo, "tags": part})
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`)
	}
}

func configOf(s *registrytest.Server, path string, more ...string) sdk.Config {
	settings := map[string]string{"url": s.URL + path, "ca": s.CA, "token": token}
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
	s := registrytest.StartTLS(t, newFake())
	for path, want := range map[string]int{"": 279, "/group": 280, "/group/web": 130} {
		repos, err := registrytest.List(New().Repositories(t.Context(), configOf(s, path)))
		if err != nil || len(repos) != want {
			t.Errorf("in %q are %d repositories of %d, error %v", path, len(repos), want, err)
		}
	}
	if _, err := registrytest.List(New().Repositories(t.Context(), configOf(s, "/nobody"))); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("a group that is not there gives %v", err)
	}
	if _, err := registrytest.List(New().Repositories(t.Context(), configOf(s, "", "token", ""))); !errors.Is(err, sdk.ErrUnauthorized) {
		t.Errorf("without a token: %v", err)
	}
}

// TestProjectsByOffset: a GitLab that lists projects by page numbers only is
// listed whole, also when a project goes meanwhile.
func TestProjectsByOffset(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"refused", "ignored"} {
		for _, shrink := range []bool{false, true} {
			f := newFake()
			f.offset, f.shrink = how, shrink && how == "refused"
			s := registrytest.StartTLS(t, f)
			repos, err := registrytest.List(New().Repositories(t.Context(), configOf(s, "")))
			// What is listed before it goes is still there; the one that slipped is too.
			if err != nil || len(repos) != 279 || !slices.Contains(repos, "group/sub/p100") {
				t.Errorf("keysets %s, shrinking %v: %d repositories of 279, error %v", how, f.shrink, len(repos), err)
			}
		}
	}
	f := newFake()
	broken := &registrytest.Fault{On: "/projects?", From: 1, Times: 99, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed)
	}}
	if _, err := registrytest.List(New().Repositories(t.Context(), configOf(registrytest.StartTLS(t, f, broken), ""))); err == nil {
		t.Error("a GitLab that lists no projects at all looks empty")
	}
}

func TestMovedTag(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := registrytest.StartTLS(t, f)
	registrytest.Moved(t, New(), configOf(s, ""), "group/web", "v01", func() string {
		return registrytest.Digest(1 + int(f.moves.Add(1)))
	})
}

// TestFindingGitLab: the registry tells where GitLab is, and to no other host
// the token goes.
func TestFindingGitLab(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.prefix = "/gitlab"
	s := registrytest.StartTLS(t, f)
	for name, more := range map[string][]string{"told": nil, "configured": {"api_url", s.URL + "/gitlab/"}} {
		if repos, err := registrytest.List(New().Repositories(t.Context(), configOf(s, "/group/web", more...))); err != nil || len(repos) != 130 {
			t.Errorf("%s: %d repositories, error %v", name, len(repos), err)
		}
	}
	for _, realm := range []string{"", "https://h.example/token", "http://h.example/jwt/auth", "https://me@h.example/jwt/auth", "/jwt/auth", "https://[/jwt/auth"} {
		if u, err := issuer(realm); !errors.Is(err, sdk.ErrNotFound) || !strings.Contains(err.Error(), "api_url") {
			t.Errorf("the realm %q gives %v, %v", realm, u, err)
		}
	}
}

// TestTokenExpires: the registry's tokens live for minutes; a listing goes on
// with a new one.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.jwtLife = 2
	s := registrytest.StartTLS(t, f)
	tags, err := registrytest.List(New().Tags(t.Context(), configOf(s, ""), "group/web"))
	if err != nil || len(tags) != 25 || f.jwt.Load() != 2 {
		t.Errorf("listed %d tags with %d tokens, error %v", len(tags), f.jwt.Load(), err)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	s := registrytest.StartTLS(t, newFake())
	if tags, err := registrytest.List(New().Tags(t.Context(), configOf(s, ""), "group/emptied")); err != nil || len(tags) != 0 {
		t.Errorf("a repository without tags: %v, %v", tags, err)
	}
	tags, err := registrytest.List(New().Tags(t.Context(), configOf(s, "", "username", "deploy", "password", "pw"), "group/web"))
	if err != nil || len(tags) != 25 {
		t.Errorf("with a deploy token: %d tags, %v", len(tags), err)
	}
	if _, err := registrytest.List(New().Tags(t.Context(), configOf(s, "", "username", "deploy", "password", "x"), "group/web")); !errors.Is(err, sdk.ErrUnauthorized) {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestCredential(t *testing.T) {
	t.Parallel()
	for cfg, want := range map[string]sdk.Credential{
		`{"url":"https://r.example"}`:                                           {},
		`{"url":"https://r.example","token":"x"}`:                               {Username: anyUser, Password: "x"},
		`{"url":"https://r.example","token":"x","username":"u","password":"p"}`: {Username: "u", Password: "p"},
	} {
		if got, err := New().Credential(t.Context(), sdk.Config(cfg), "a/b"); err != nil || got != want {
			t.Errorf("%s: %v, %v", cfg, got, err)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	registrytest.Failures(t, registrytest.Kind{
		Start: func(t *testing.T, env wire.Env, faults ...*registrytest.Fault) (sdk.Registry, sdk.Config) {
			return newRegistry(env), configOf(registrytest.StartTLS(t, newFake(), faults...), "/group")
		},
		Repositories: "/registry/repositories", Tags: "/tags/list", Repository: "group/web",
	})
}

// TestBudget: GitLab tells when its budget is filled again; the listing waits
// for it before GitLab refuses, or says when to come back.
func TestBudget(t *testing.T) {
	t.Parallel()
	for reset, wait := range map[int]bool{40: true, 4000: false} {
		clock := registrytest.NewClock()
		f := newFake()
		spent := &registrytest.Fault{On: "/registry/repositories?page=1", From: 1, Times: 1, Answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("RateLimit-Remaining", "0")
			w.Header().Set("RateLimit-Reset", strconv.FormatInt(registrytest.Now().Unix()+int64(reset), 10))
			f.ServeHTTP(w, r)
		}}
		s := registrytest.StartTLS(t, f, spent)
		repos, err := registrytest.List(newRegistry(clock.Env()).Repositories(t.Context(), configOf(s, "/group")))
		after, _ := sdk.RetryAfter(err)
		if wait && (err != nil || len(repos) != 280 || len(clock.Waits()) != 1) || !wait && after.Seconds() != 4000 {
			t.Errorf("reset in %d s: %d repositories, error %v, waits %v", reset, len(repos), err, clock.Waits())
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	empty := &fake{repos: map[string][]repository{}}
	for name, f := range map[string]*fake{"full": newFake(), "empty": empty} {
		s := registrytest.StartTLS(t, f)
		conn, err := sdktest.Connect(Plugin("test"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if r := sdktest.Check(t.Context(), conn, sdktest.Options{Config: configOf(s, "")}); !r.OK() {
			t.Errorf("%s: %s", name, r)
		}
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	s := registrytest.StartTLS(t, newFake())
	other := registrytest.StartTLS(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	tests := map[string]struct {
		cfg  sdk.Config
		want string // name of the last step, with "!" if it failed
		fix  string
	}{
		"all well":     {configOf(s, "/group/web"), "read", ""},
		"wrong token":  {configOf(s, "", "token", "x"), "authenticate!", "read_api"},
		"no token":     {configOf(s, "", "token", "", "username", "deploy", "password", "pw"), "list!", "`token`"},
		"not a GitLab": {configOf(other, ""), "connect!", "api_url"},
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
	digest := registrytest.Digest(9)
	body := `{"events":[{"action":"push","target":{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"` +
		digest + `","repository":"group/web","tag":"v1"}},{"action":"pull","target":{"mediaType":"application/vnd.oci.image.index.v1+json"}}]}`
	cfg := sdk.Config(`{"url":"https://r.example","webhook_secret":"s"}`)
	got, err := New().DecodePush(t.Context(), cfg, sdk.PushEvent{Body: []byte(body), Headers: map[string]string{"Authorization": "s"}})
	if diff := cmp.Diff([]sdk.Push{{Repository: "group/web", Tag: "v1", Digest: digest}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := New().DecodePush(t.Context(), cfg, sdk.PushEvent{Body: []byte(body)}); !errors.Is(err, sdk.ErrUnauthorized) {
		t.Errorf("without the secret: %v", err)
	}
}

func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	for cfg, want := range map[string]string{
		`{}`:                         "url:",
		`{"url":"http://r.example"}`: "https only",
		`{"url":"https://r.example","api_url":"http://g.example"}`:             "api_url: GitLab is spoken to over https only",
		`{"url":"https://r.example","api_url":"https://me:hunter2@g.example"}`: "api_url:",
		`{"url":"https://r.example","username":"me"}`:                          "both or none",
	} {
		_, err := New().Credential(t.Context(), sdk.Config(cfg), "a/b")
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", cfg, err)
		}
	}
}
