package harbor

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/registry/internal/registrytest"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const robot = "robot$ci+scan"

// fake is Harbor as far as listing goes.
type fake struct {
	projects []string
	repos    map[string][]string   // by project, full names
	artifact map[string][]artifact // by repository
	noTotal  bool
	miscount int            // how many too many X-Total-Count says
	onPage   func(page int) // called before a page is written
	manifest registrytest.Manifests
	tokens   *registrytest.Tokens
}

func newFake() *fake {
	f := &fake{
		projects: []string{"library", "team", "empty"},
		repos:    map[string][]string{"library": {"library/alpine"}, "team": {"team/app/web", "team/tools"}},
		artifact: map[string][]artifact{"library/alpine": {{Digest: registrytest.Digest(1), Tags: []named{{"3.9"}, {"latest"}}}}},
		manifest: registrytest.Manifests{User: robot, Password: "secret", Digests: map[string]string{"library/alpine:3.9": registrytest.Digest(1)}},
	}
	for i := range 230 {
		f.repos["team"] = append(f.repos["team"], fmt.Sprintf("team/r%03d", i))
	}
	for i := range 250 {
		f.artifact["team/app/web"] = append(f.artifact["team/app/web"], artifact{Digest: registrytest.Digest(100 + i), Tags: []named{{fmt.Sprintf("v%03d", i)}}})
	}
	f.artifact["team/app/web"][7].Tags = nil
	f.manifest.User = robot
	f.tokens = &registrytest.Tokens{Realm: "/service/token", Service: "harbor-registry", Accepts: f.accepts}
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v2/") || f.tokens != nil && r.URL.Path == f.tokens.Realm {
		if f.tokens == nil || !f.tokens.Answers(w, r) {
			open := f.manifest // the token is the login
			open.User = ""
			open.ServeHTTP(w, r)
		}
		return
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v2.0/")
	if path == "systeminfo" {
		registrytest.JSON(w, map[string]any{"auth_mode": "db_auth"})
		return
	}
	if user, password, ok := r.BasicAuth(); ok && (user != f.manifest.User || password != f.manifest.Password) || !ok && f.manifest.User != "" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}`)
		return
	}
	parts := strings.Split(path, "/")
	switch {
	case path == "projects":
		page(f, w, r, nameAll(f.projects))
	case len(parts) == 3 && slices.Contains(f.projects, parts[1]):
		page(f, w, r, nameAll(f.repos[parts[1]]))
	case len(parts) == 5 && parts[4] == "artifacts" && r.URL.Query().Get("with_tag") == "true":
		once, _ := url.PathUnescape(parts[3])
		if strings.Contains(once, "/") {
			w.WriteHeader(http.StatusBadRequest) // not escaped twice
			return
		}
		rest, _ := url.PathUnescape(once)
		all, ok := f.artifact[parts[1]+"/"+rest]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		page(f, w, r, all)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// accepts knows the robot, and nobody without a name: nothing is public here.
func (f *fake) accepts(user, password string, ok bool) bool {
	return ok && user == f.manifest.User && password == f.manifest.Password
}

func nameAll(all []string) []named {
	var out []named
	for _, n := range all {
		out = append(out, named{n})
	}
	return out
}

// page answers like Harbor: ten entries unless asked for more, a hundred at most.
func page[T any](f *fake, w http.ResponseWriter, r *http.Request, all []T) {
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
	if size == 0 {
		size = 10
	}
	part, more := registrytest.Slice(all, n, min(size, 100))
	if !f.noTotal {
		w.Header().Set("X-Total-Count", strconv.Itoa(len(all)+f.miscount))
	}
	if more {
		w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, r.URL.Path, n+1))
	}
	if part == nil {
		part = []T{}
	}
	registrytest.JSON(w, part)
	if f.onPage != nil {
		f.onPage(n)
	}
}

func configOf(url string) sdk.Config {
	return sdk.Config(`{"url":"` + url + `","username":"` + robot + `","password":"secret"}`)
}

func TestListing(t *testing.T) {
	t.Parallel()
	for _, noTotal := range []bool{false, true} {
		f := newFake()
		f.noTotal = noTotal
		s := registrytest.Start(t, f)
		r := New()
		repos, err := registrytest.List(r.Repositories(t.Context(), configOf(s.URL)))
		if err != nil || len(repos) != 233 || repos[0] != "library/alpine" || repos[1] != "team/app/web" {
			t.Errorf("listed %d repositories, error %v", len(repos), err)
		}
		repos, err = registrytest.List(r.Repositories(t.Context(), configOf(s.URL+"/library")))
		if diff := cmp.Diff([]string{"library/alpine"}, repos); diff != "" || err != nil {
			t.Errorf("one project: %v\n%s", err, diff)
		}
		tags, err := registrytest.List(r.Tags(t.Context(), configOf(s.URL), "team/app/web"))
		if err != nil || len(tags) != 250 || tags[7] != (sdk.Tag{Digest: registrytest.Digest(107)}) || tags[249].Name != "v249" {
			t.Errorf("listed %d tags, error %v", len(tags), err)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.artifact["team/tools"] = []artifact{
		{Digest: registrytest.Digest(1), Tags: []named{{"latest"}, {"1.0"}}},
		{Digest: registrytest.Digest(2), Tags: []named{{"latest"}}}, // moved while we read
		{Digest: registrytest.Digest(3), Tags: []named{{"sha256-" + registrytest.Digest(1)[7:] + ".sig"}}},
	}
	s := registrytest.Start(t, f)
	tags, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL), "team/tools"))
	want := []sdk.Tag{{Name: "latest", Digest: registrytest.Digest(1)}, {Name: "1.0", Digest: registrytest.Digest(1)}}
	if diff := cmp.Diff(want, tags); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if tags, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL), "team/gone")); err != nil || len(tags) != 0 {
		t.Errorf("a repository that was deleted: %v, %v", tags, err)
	}
	named := sdk.Config(`{"url":"` + s.URL + `","username":"` + robot + `","password":"secret","repositories":["team/gone"]}`)
	if _, err := registrytest.List(New().Tags(t.Context(), named, "team/gone")); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("a configured repository that is not there: %v", err)
	}
	for _, bad := range []string{"alone", "Not/Valid", "a/../b"} {
		if _, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL), bad)); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestDeletedWhileListing: what slips from one page to the one before it, when
// something is deleted, is found all the same.
func TestDeletedWhileListing(t *testing.T) {
	t.Parallel()
	f := newFake()
	deleted := false
	f.onPage = func(page int) {
		if !deleted && page == 1 && len(f.artifact["team/app/web"]) == 250 {
			deleted = true
			f.artifact["team/app/web"] = f.artifact["team/app/web"][1:]
		}
	}
	s := registrytest.Start(t, f)
	tags, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL), "team/app/web"))
	if err != nil || !slices.ContainsFunc(tags, func(t sdk.Tag) bool { return t.Name == "v100" }) || len(tags) != 250 {
		t.Errorf("listed %d tags, error %v", len(tags), err)
	}
}

// TestMiscount: a Harbor that counts what it does not show is believed when two
// passes agree; one that never stands still is not.
func TestMiscount(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.miscount = 3
	s := registrytest.Start(t, f)
	if tags, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL), "team/app/web")); err != nil || len(tags) != 250 {
		t.Errorf("listed %d tags, error %v", len(tags), err)
	}
	f = newFake()
	f.onPage = func(int) { f.artifact["team/app/web"] = f.artifact["team/app/web"][1:] }
	s = registrytest.Start(t, f)
	if _, err := registrytest.List(New().Tags(t.Context(), configOf(s.URL), "team/app/web")); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("a listing that never stands still gives %v", err)
	}
}

// TestTokenExpires: tags are resolved with tokens of Harbor's own service, which
// last for minutes and for one repository; a listing goes on with a new one.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.tokens.Life = 10
	for _, a := range f.artifact["team/app/web"][:30] {
		for _, tag := range a.Tags {
			f.manifest.Digests["team/app/web:"+tag.Name] = a.Digest
		}
	}
	s := registrytest.Start(t, f)
	r := New()
	resolved := 0
	for tag, err := range r.Tags(t.Context(), configOf(s.URL), "team/app/web") {
		if err != nil {
			t.Fatal(err)
		}
		if f.manifest.Digests["team/app/web:"+tag.Name] == "" {
			continue
		}
		if m, err := r.ResolveTag(t.Context(), configOf(s.URL), "team/app/web", tag.Name); err != nil || m.Digest != tag.Digest {
			t.Errorf("%s is listed at %s and found at %s, error %v", tag.Name, tag.Digest, m.Digest, err)
		}
		resolved++
	}
	if want := 3; resolved != 29 || f.tokens.Given() != want {
		t.Errorf("%d tags resolved with %d tokens, want 29 with %d", resolved, f.tokens.Given(), want)
	}
	if m, err := r.ResolveTag(t.Context(), configOf(s.URL), "library/alpine", "3.9"); err != nil || m.Digest != registrytest.Digest(1) {
		t.Errorf("in another repository: %v, %v", m, err)
	}
	wrong := sdk.Config(strings.Replace(string(configOf(s.URL)), "secret", "x", 1))
	if _, err := r.ResolveTag(t.Context(), wrong, "library/alpine", "3.9"); !errors.Is(err, sdk.ErrUnauthorized) {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestMovedTag(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := registrytest.Start(t, f)
	registrytest.Moved(t, New(), configOf(s.URL), "library/alpine", "3.9", func() string {
		f.manifest.Digests["library/alpine:3.9"] = registrytest.Digest(2)
		f.artifact["library/alpine"] = []artifact{{Digest: registrytest.Digest(1)}, {Digest: registrytest.Digest(2), Tags: []named{{"3.9"}}}}
		return registrytest.Digest(2)
	})
}

func TestFailures(t *testing.T) {
	t.Parallel()
	registrytest.Failures(t, registrytest.Kind{
		Start: func(t *testing.T, env wire.Env, faults ...*registrytest.Fault) (sdk.Registry, sdk.Config) {
			return newRegistry(env), configOf(registrytest.Start(t, newFake(), faults...).URL)
		},
		Repositories: "/projects/team/repositories?", Tags: "/artifacts?", Repository: "team/app/web",
	})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fake{"full": newFake(), "empty": {}} {
		s := registrytest.Start(t, f)
		conn, err := sdktest.Connect(Plugin("test"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		cfg := sdk.Config(strings.Replace(string(configOf(s.URL)), "}", `,"concurrency":1}`, 1))
		if name == "empty" {
			cfg = sdk.Config(`{"url":"` + s.URL + `"}`)
		}
		if r := sdktest.Check(t.Context(), conn, sdktest.Options{Config: cfg}); !r.OK() {
			t.Errorf("%s: %s", name, r)
		}
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t, newFake())
	denied := registrytest.Start(t, newFake(), &registrytest.Fault{On: "/projects?", From: 1, Times: 99, Answer: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}})
	other := registrytest.Start(t, http.NotFoundHandler())
	tests := map[string]struct {
		cfg  sdk.Config
		want string // name of the last step, with "!" if it failed
		fix  string
	}{
		"all well":       {configOf(s.URL + "/library"), "read", ""},
		"wrong password": {sdk.Config(`{"url":"` + s.URL + `","username":"me","password":"x"}`), "authenticate!", "robot$"},
		"may not list":   {configOf(denied.URL), "list!", "permissions"},
		"not Harbor":     {configOf(other.URL), "connect!", "type oci"},
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

func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	for cfg, want := range map[string]string{
		`{}`: "url:",
		`{"url":"https://h.example","username":"me"}`:          "both or none",
		`{"url":"https://h.example","token":"hunter2"}`:        "robot",
		`{"url":"https://h.example/a/../b"}`:                   "is no name",
		`{"url":"https://h.example","concurrency":100}`:        "1 to 64",
		`{"url":"https://h.example","requests_per_second":-1}`: "0.01 to 1000",
	} {
		_, err := New().Credential(t.Context(), sdk.Config(cfg), "a/b")
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", cfg, err)
		}
	}
}

const pushed = `{"type":"PUSH_ARTIFACT","occur_at":1680501893,"operator":"admin","event_data":{"resources":[
	{"digest":"%[1]s","tag":"1.0","resource_url":"h.example/team/app/web:1.0"},
	{"digest":"%[1]s","tag":"%[1]s","resource_url":"h.example/team/app/web@%[1]s"}],
	"repository":{"name":"app/web","namespace":"team","repo_full_name":"team/app/web","repo_type":"private"}}}`

const cloudEvent = `{"specversion":"1.0","id":"4b2f89a6","source":"/projects/1/webhook/policies/15","type":"harbor.artifact.pushed",
	"datacontenttype":"application/json","time":"2026-11-01T10:00:00Z","data":{"resources":[{"digest":"%s","tag":"1.0"}],
	"repository":{"repo_full_name":"team/app/web"}},"operator":"admin"}`

func TestDecodePush(t *testing.T) {
	t.Parallel()
	digest := registrytest.Digest(5)
	tagged := sdk.Push{Repository: "team/app/web", Tag: "1.0", Digest: digest}
	tests := map[string]struct {
		body   string
		secret string // sent
		want   []sdk.Push
		err    error
	}{
		"default":        {fmt.Sprintf(pushed, digest), "s3cret", []sdk.Push{tagged, {Repository: "team/app/web", Digest: digest}}, nil},
		"cloud event":    {fmt.Sprintf(cloudEvent, digest), "Bearer s3cret", []sdk.Push{tagged}, nil},
		"something else": {`{"type":"SCANNING_COMPLETED"}`, "s3cret", nil, nil},
		"wrong secret":   {fmt.Sprintf(pushed, digest), "guess", nil, sdk.ErrUnauthorized},
		"no secret":      {fmt.Sprintf(pushed, digest), "", nil, sdk.ErrUnauthorized},
		"not JSON":       {`{`, "s3cret", nil, sdk.ErrInvalid},
		"no type":        {`{}`, "s3cret", nil, sdk.ErrInvalid},
		"not a digest":   {fmt.Sprintf(pushed, "sha256:zz"), "s3cret", nil, sdk.ErrInvalid},
	}
	for name, tt := range tests {
		event := sdk.PushEvent{Body: []byte(tt.body), Headers: map[string]string{"Authorization": tt.secret}}
		got, err := New().DecodePush(t.Context(), sdk.Config(`{"url":"https://h.example","webhook_secret":"s3cret"}`), event)
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func FuzzDecodePush(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(pushed, registrytest.Digest(5))))
	f.Add([]byte(fmt.Sprintf(cloudEvent, registrytest.Digest(5))))
	f.Fuzz(func(t *testing.T, body []byte) {
		pushes, err := decodePush(sdk.PushEvent{Body: body})
		if err != nil && !errors.Is(err, sdk.ErrInvalid) && !errors.Is(err, sdk.ErrLimit) {
			t.Errorf("an error without a kind: %v", err)
		}
		for _, p := range pushes {
			if p.Repository == "" || p.Tag == "" && p.Digest == "" {
				t.Errorf("a push of nothing: %+v", p)
			}
		}
	})
}
