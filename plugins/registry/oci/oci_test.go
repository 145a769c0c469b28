package oci

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const (
	digest   = "sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"
	ociIndex = "application/vnd.oci.image.index.v1+json"
)

// fake is a registry as far as listing goes.
type fake struct {
	repos    map[string][]string // tags by repository; nil tags are answered as null
	pageSize int
	link     func(r *http.Request, next string) string // how a Link is written
	auth     string                                    // "", "basic", "bearer"
	user     string
	noList   int // status of the catalog, if not 200
	busy     int // so many requests are answered 429 first
	retry    string
	noDigest bool

	requests []string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	if r.URL.Path == "/token" {
		f.token(w, r)
		return
	}
	if !f.allowed(w, r) {
		return
	}
	switch {
	case f.busy > 0 && r.URL.Path != "/v2/":
		f.busy--
		w.Header().Set("Retry-After", f.retry)
		w.WriteHeader(http.StatusTooManyRequests)
	case r.URL.Path == "/v2/":
	case r.URL.Path == "/v2/_catalog" && f.noList != 0:
		w.WriteHeader(f.noList)
	case r.URL.Path == "/v2/_catalog":
		var names []string
		for name := range f.repos {
			names = append(names, name)
		}
		f.page(w, r, "repositories", names)
	case strings.HasSuffix(r.URL.Path, "/tags/list"):
		tags, ok := f.repos[strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`)
			return
		}
		f.page(w, r, "tags", tags)
	case strings.Contains(r.URL.Path, "/manifests/"):
		w.Header().Set("Content-Type", ociIndex+"; charset=utf-8")
		if !f.noDigest {
			w.Header().Set("Docker-Content-Digest", digest)
		}
		if r.Method == http.MethodGet {
			fmt.Fprint(w, "hello")
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *fake) page(w http.ResponseWriter, r *http.Request, key string, all []string) {
	slices.Sort(all)
	last := r.URL.Query().Get("last")
	start := 0
	for start < len(all) && last != "" && all[start] <= last {
		start++
	}
	rest := all[start:]
	if f.pageSize > 0 && len(rest) > f.pageSize {
		rest = rest[:f.pageSize]
		next := r.URL.Path + "?" + url.Values{"last": {rest[len(rest)-1]}, "n": {"1000"}}.Encode()
		w.Header().Set("Link", f.link(r, next))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{key: rest})
}

// allowed asks for the authentication that the test is about.
func (f *fake) allowed(w http.ResponseWriter, r *http.Request) bool {
	want, challenge := "", ""
	switch f.auth {
	case "":
		return true
	case "basic":
		want, challenge = "Basic "+base64.StdEncoding.EncodeToString([]byte(f.user)), `Basic realm="x"`
	case "bearer":
		scope := "registry:catalog:*"
		if repo, ok := strings.CutSuffix(r.URL.Path, "/tags/list"); ok {
			scope = "repository:" + strings.TrimPrefix(repo, "/v2/") + ":pull"
		}
		want = "Bearer for " + scope
		challenge = `Bearer realm="http://` + r.Host + `/token",service="fake",scope="` + scope + `"`
	}
	if got := r.Header.Get("Authorization"); got == want || r.URL.Path == "/v2/" && strings.HasPrefix(got, "Bearer for ") {
		return true
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	if u, p, _ := r.BasicAuth(); u+":"+p != f.user {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"access_token": "for " + r.URL.Query().Get("scope")})
}

func relative(_ *http.Request, next string) string { return "<" + next + `>; rel="next"` }

func start(t *testing.T, f *fake) (*Registry, string) {
	t.Helper()
	if f.link == nil {
		f.link = relative
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return New(), server.URL
}

func list[T any](t *testing.T, seq func(func(T, error) bool)) ([]T, error) {
	t.Helper()
	var all []T
	for item, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, item)
	}
	return all, nil
}

func many(prefix string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s%03d", prefix, i))
	}
	return all
}

func TestPagination(t *testing.T) {
	t.Parallel()
	links := map[string]func(*http.Request, string) string{
		"from the root": relative,
		"query only": func(_ *http.Request, next string) string {
			return "<" + next[strings.Index(next, "?"):] + `>; rel="next"`
		},
		"absolute":          func(r *http.Request, next string) string { return "<http://" + r.Host + next + `>; rel="next"` },
		"the proxy's https": func(r *http.Request, next string) string { return "<https://" + r.Host + next + `>;rel=next` },
		"among others": func(_ *http.Request, next string) string {
			return `</x>; rel="prev", <` + next + `>; title="a, b"; rel="next"`
		},
	}
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{repos: map[string][]string{"team/app": many("t", 23)}, pageSize: 5, link: link}
			for _, r := range many("repo", 17) {
				f.repos[r] = []string{"latest"}
			}
			r, url := start(t, f)
			cfg := sdk.Config(`{"url":"` + url + `"}`)
			repos, err := list(t, r.Repositories(t.Context(), cfg))
			if err != nil || len(repos) != 18 {
				t.Errorf("listed %d repositories of 18, error %v", len(repos), err)
			}
			tags, err := list(t, r.Tags(t.Context(), cfg, "team/app"))
			if err != nil || len(tags) != 23 {
				t.Errorf("listed %d tags of 23, error %v", len(tags), err)
			}
		})
	}
}

func TestBadPagination(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		link func(*http.Request, string) string
		want string
	}{
		"another host": {func(_ *http.Request, next string) string { return "<http://evil.example" + next + `>; rel="next"` }, "another host, evil.example"},
		"a circle":     {func(r *http.Request, _ string) string { return "<" + r.URL.RequestURI() + `>; rel="next"` }, "circle"},
		"no address":   {func(*http.Request, string) string { return `<http://[>; rel="next"` }, "no address"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, url := start(t, &fake{repos: map[string][]string{"a": many("t", 10)}, pageSize: 3, link: tt.link})
			tags, err := list(t, r.Tags(t.Context(), sdk.Config(`{"url":"`+url+`"}`), "a"))
			if !errors.Is(err, sdk.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), tt.want) || len(tags) != 3 {
				t.Errorf("after %d tags: %v", len(tags), err)
			}
		})
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	r, url := start(t, &fake{repos: map[string][]string{
		"none": nil,
		"some": {"1.0", "sha256-" + digest[7:], "sha256-" + digest[7:] + ".sig", "sha256-short"},
	}})
	cfg := sdk.Config(`{"url":"` + url + `"}`)
	if tags, err := list(t, r.Tags(t.Context(), cfg, "none")); err != nil || len(tags) != 0 {
		t.Errorf("null tags: %v, %v", tags, err)
	}
	want := []sdk.Tag{{Name: "1.0"}, {Name: "sha256-short"}}
	tags, err := list(t, r.Tags(t.Context(), cfg, "some"))
	if diff := cmp.Diff(want, tags); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if tags, err := list(t, r.Tags(t.Context(), cfg, "emptied")); err != nil || len(tags) != 0 {
		t.Errorf("a repository the registry no longer knows: %v, %v", tags, err)
	}
	explicit := sdk.Config(`{"url":"` + url + `","repositories":["mistyped"]}`)
	if _, err := list(t, r.Tags(t.Context(), explicit, "mistyped")); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("a configured repository that is not there: %v", err)
	}
	if _, err := list(t, r.Tags(t.Context(), cfg, "Not A Name")); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestCatalogForbidden(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]error{401: sdk.ErrUnauthorized, 403: sdk.ErrDenied, 404: sdk.ErrNotFound, 405: nil} {
		r, url := start(t, &fake{repos: map[string][]string{"a": {"1"}}, noList: status})
		_, err := list(t, r.Repositories(t.Context(), sdk.Config(`{"url":"`+url+`"}`)))
		if err == nil || !strings.Contains(err.Error(), "`repositories`") || kind != nil && !errors.Is(err, kind) {
			t.Errorf("HTTP %d: %v", status, err)
		}
		repos, err := list(t, r.Repositories(t.Context(), sdk.Config(`{"url":"`+url+`","repositories":["a","b","a"]}`)))
		if diff := cmp.Diff([]string{"a", "b"}, repos); diff != "" || err != nil {
			t.Errorf("HTTP %d with configured repositories: %v\n%s", status, err, diff)
		}
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"basic", "bearer"} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			f := &fake{repos: map[string][]string{"a": {"1"}, "b": {"2"}}, auth: auth, user: "me:secret"}
			r, url := start(t, f)
			cfg := sdk.Config(`{"url":"` + url + `","username":"me","password":"secret"}`)
			for range 2 {
				repos, err := list(t, r.Repositories(t.Context(), cfg))
				if err != nil || len(repos) != 2 {
					t.Fatalf("listed %v, %v", repos, err)
				}
				for _, repo := range repos {
					if tags, err := list(t, r.Tags(t.Context(), cfg, repo)); err != nil || len(tags) != 1 {
						t.Fatalf("tags of %s: %v, %v", repo, tags, err)
					}
				}
			}
			pings, tokens := 0, 0
			for _, req := range f.requests {
				if req == "GET /v2/" {
					pings++
				}
				if strings.HasPrefix(req, "GET /token") {
					tokens++
				}
			}
			if pings != 1 || auth == "bearer" && tokens != 3 {
				t.Errorf("%d pings and %d token exchanges for 6 listings: %q", pings, tokens, f.requests)
			}
			_, err := list(t, r.Repositories(t.Context(), sdk.Config(`{"url":"`+url+`","username":"me","password":"wrong-one"}`)))
			if !errors.Is(err, sdk.ErrUnauthorized) || strings.Contains(fmt.Sprint(err), "wrong-one") {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		retry  string
		busy   int
		within time.Duration // of the call; 0 is no deadline
		waits  []time.Duration
		after  time.Duration // told in the error; -1 is success
	}{
		"seconds":         {"7", 2, 0, []time.Duration{7 * time.Second, 7 * time.Second}, -1},
		"a date":          {now.Add(time.Minute).Format(http.TimeFormat), 1, 0, []time.Duration{time.Minute}, -1},
		"too long":        {"3600", 1, 0, nil, time.Hour},
		"no time for it":  {"30", 1, 10 * time.Second, nil, 30 * time.Second},
		"again and again": {"1", 9, 0, []time.Duration{time.Second, time.Second, time.Second}, time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, url := start(t, &fake{repos: map[string][]string{"a": {"1"}}, busy: tt.busy, retry: tt.retry, link: relative})
			var waits []time.Duration
			env := wire.System()
			at := now
			env.Now = func() time.Time { return at }
			env.Sleep = func(_ context.Context, d time.Duration) error {
				at = at.Add(d)
				waits = append(waits, d)
				return nil
			}
			r := newRegistry(env)
			ctx := t.Context()
			if tt.within > 0 {
				ctx = deadline{ctx, now.Add(tt.within)}
			}
			_, err := list(t, r.Tags(ctx, sdk.Config(`{"url":"`+url+`"}`), "a"))
			after, told := sdk.RetryAfter(err)
			if err == nil {
				after = -1
			}
			if after != tt.after || told != (tt.after >= 0) || told && !errors.Is(err, sdk.ErrUnavailable) {
				t.Errorf("error %v, retry after %s, want %s", err, after, tt.after)
			}
			if diff := cmp.Diff(tt.waits, waits); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

// deadline is a context that says when it ends, by the test's clock, and does
// not end.
type deadline struct {
	context.Context
	at time.Time
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(&fake{repos: map[string][]string{"a": {"1"}}, link: relative})
	t.Cleanup(server.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	with, _ := sdk.RegistrySettings{URL: server.URL, CA: ca}.Config()
	if repos, err := list(t, New().Repositories(t.Context(), with)); err != nil || len(repos) != 1 {
		t.Errorf("with the CA: %v, %v", repos, err)
	}
	without, _ := sdk.RegistrySettings{URL: server.URL}.Config()
	if _, err := list(t, New().Repositories(t.Context(), without)); err == nil || !strings.Contains(err.Error(), "`ca`") {
		t.Errorf("without the CA: %v", err)
	}
}

// TestNoPlainHTTP: a registry without TLS is not spoken to, and above all gets
// no password, unless its address says http.
func TestNoPlainHTTP(t *testing.T) {
	t.Parallel()
	f := &fake{repos: map[string][]string{"a": {"1"}}, auth: "basic", user: "me:secret"}
	r, url := start(t, f)
	cfg := sdk.Config(`{"url":"https` + strings.TrimPrefix(url, "http") + `","username":"me","password":"secret"}`)
	if _, err := list(t, r.Repositories(t.Context(), cfg)); err == nil {
		t.Error("a registry without TLS was listed under https")
	}
	if len(f.requests) > 0 {
		t.Errorf("requests in plain text: %q", f.requests)
	}
}

func TestHugeAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		fmt.Fprint(w, `{"tags":["`)
		for range wire.MaxAnswer/1024 + 1 {
			fmt.Fprint(w, strings.Repeat("x", 1024))
		}
	}))
	t.Cleanup(server.Close)
	_, err := list(t, New().Tags(t.Context(), sdk.Config(`{"url":"`+server.URL+`"}`), "a"))
	if !errors.Is(err, sdk.ErrLimit) {
		t.Errorf("an endless answer gives %v", err)
	}
}

func TestResolveTag(t *testing.T) {
	t.Parallel()
	for _, noDigest := range []bool{false, true} {
		f := &fake{repos: map[string][]string{"a": {"1"}}, noDigest: noDigest}
		r, url := start(t, f)
		got, err := r.ResolveTag(t.Context(), sdk.Config(`{"url":"`+url+`"}`), "a", "1")
		want := sdk.Manifest{Digest: digest, MediaType: ociIndex}
		if noDigest {
			want.Digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("without digest %v: %v (-want +got):\n%s", noDigest, err, diff)
		}
		if pulled := slices.Contains(f.requests, "GET /v2/a/manifests/1"); pulled != noDigest {
			t.Errorf("requests: %q", f.requests)
		}
	}
	r, url := start(t, &fake{})
	if _, err := r.ResolveTag(t.Context(), sdk.Config(`{"url":"`+url+`"}`), "a", "../x"); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a tag that is none: %v", err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	f := &fake{repos: map[string][]string{"a": {"1"}, "b/c": {"2", "3"}}, pageSize: 1}
	_, url := start(t, f)
	conn, err := sdktest.Connect(Plugin("test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if r := sdktest.Check(t.Context(), conn, sdktest.Options{Config: sdk.Config(`{"url":"` + url + `"}`)}); !r.OK() {
		t.Error(r)
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	f := &fake{repos: map[string][]string{"a": {"1"}}, auth: "bearer", user: "me:secret"}
	_, protected := start(t, f)
	_, open := start(t, &fake{repos: map[string][]string{"a": {"1"}}})
	_, listless := start(t, &fake{noList: 403})
	tests := map[string]struct {
		cfg  string
		want string // names of the steps; the last one failed if it ends with "!"
		fix  string
	}{
		"open":           {`{"url":"` + open + `"}`, "resolve connect authenticate list read", ""},
		"wrong password": {`{"url":"` + protected + `","username":"me","password":"x"}`, "resolve connect authenticate!", "refused them"},
		"no password":    {`{"url":"` + protected + `"}`, "resolve connect authenticate!", "set `username`"},
		"no catalog":     {`{"url":"` + listless + `"}`, "resolve connect authenticate list!", "`repositories`"},
		"nobody there":   {`{"url":"http://127.0.0.1:1"}`, "resolve connect!", "check host, port"},
		"no such host":   {`{"url":"http://registry.invalid:5000"}`, "resolve!", "can resolve"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, err := New().Diagnose(t.Context(), sdk.Config(tt.cfg))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, s := range steps {
				n := s.Name
				if !s.OK {
					n += "!"
				}
				names = append(names, n)
			}
			last := steps[len(steps)-1]
			if got := strings.Join(names, " "); got != tt.want || !strings.Contains(last.Fix, tt.fix) {
				t.Errorf("steps %q, fix %q, detail %q", got, last.Fix, last.Detail)
			}
		})
	}
}

func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // configuration → what the error says
		`{}`:                               "url:",
		`{"url":"registry.example"}`:       "https://HOST",
		`{"url":"ftp://registry.example"}`: "https://HOST",
		`{"url":"https://"}`:               "https://HOST",
		`{"url":"https://me:hunter2@registry.example"}`:                                "their own settings",
		`{"url":"https://registry.example/artifactory/x"}`:                             "`repositories`",
		`{"url":"https://registry.example?x=1"}`:                                       "without a query",
		`{"url":"https://r.example","ca":"x"}`:                                         "PEM",
		`{"url":"https://r.example","username":"me"}`:                                  "both or none",
		`{"url":"https://r.example","token":"x","username":"me","password":"hunter2"}`: "excludes",
		`{"url":"https://r.example","repositories":["UPPER"]}`:                         "repositories:",
		`{"url":"https://r.example","insecure":true}`:                                  "insecure",
		`{"url":"https://r.example"} {}`:                                               "after its end",
	}
	for cfg, want := range tests {
		_, err := New().Credential(t.Context(), sdk.Config(cfg), "a")
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", cfg, err)
		}
	}
}

func TestCredential(t *testing.T) {
	t.Parallel()
	got, err := New().Credential(t.Context(), sdk.Config(`{"url":"https://r.example","username":"me","password":"secret"}`), "a/b")
	if err != nil || got.Username != "me" || got.Password != "secret" || got.Token != "" {
		t.Errorf("%+v, %v", got.Username, err)
	}
	if s := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(s, "secret") {
		t.Errorf("a credential prints as %s", s)
	}
}
