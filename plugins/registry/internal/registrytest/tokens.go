package registrytest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Tokens is the token service in front of a registry, as the distribution
// project specifies it: who has no valid token for a repository is sent to the
// realm, and comes back with one that lasts a number of requests.
type Tokens struct {
	Realm   string // path of the service
	Service string
	// Accepts says whether a login is good; ok is false for an anonymous one.
	Accepts func(user, password string, ok bool) bool
	Life    int // requests a token lasts; 0 is forever

	mu    sync.Mutex
	given []grant
}

// grant is a token that was given out; it is called by its number.
type grant struct {
	scope string
	uses  int
}

// Given returns how many tokens were given out.
func (k *Tokens) Given() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.given)
}

// Answers answers requests for tokens, and those that come without a valid one.
// False says that the registry has to answer.
func (k *Tokens) Answers(w http.ResponseWriter, r *http.Request) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.URL.Path == k.Realm {
		user, password, ok := r.BasicAuth()
		if r.URL.Query().Get("service") != k.Service || !k.Accepts(user, password, ok) {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		k.given = append(k.given, grant{scope: r.URL.Query().Get("scope")})
		JSON(w, map[string]any{"token": fmt.Sprint("token-", len(k.given)), "expires_in": 60})
		return true
	}
	scope := scopeOf(r.URL.Path)
	if k.valid(r.Header.Get("Authorization"), scope) {
		return false
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	challenge := fmt.Sprintf(`Bearer realm="%s://%s%s",service="%s"`, scheme, r.Host, k.Realm, k.Service)
	if scope != "" {
		challenge += fmt.Sprintf(`,scope="%s"`, scope)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
	return true
}

// valid uses a token up; it holds k.mu.
func (k *Tokens) valid(authorization, scope string) bool {
	var n int
	if _, err := fmt.Sscanf(authorization, "Bearer token-%d", &n); err != nil || n < 1 || n > len(k.given) {
		return false
	}
	g := &k.given[n-1]
	if scope != "" && g.scope != scope {
		return false
	}
	g.uses++
	return k.Life == 0 || g.uses <= k.Life
}

// scopeOf is what a request to a registry needs; nothing for its version check.
func scopeOf(path string) string {
	repository, ok := strings.CutPrefix(path, "/v2/")
	for _, part := range []string{"/manifests/", "/tags/list"} {
		if at := strings.LastIndex(repository, part); ok && at > 0 {
			return "repository:" + repository[:at] + ":pull"
		}
	}
	return ""
}

// Moved holds a registry against a tag that moves to another image: the next
// look sees it, whatever was remembered of the one before.
func Moved(t *testing.T, r sdk.Registry, cfg sdk.Config, repository, tag string, move func() (to string)) {
	t.Helper()
	resolver, ok := r.(sdk.TagResolver)
	if !ok {
		t.Fatal("it resolves no tags")
	}
	before, err := resolver.ResolveTag(t.Context(), cfg, repository, tag)
	if err != nil {
		t.Fatal(err)
	}
	want := move()
	after, err := resolver.ResolveTag(t.Context(), cfg, repository, tag)
	if err != nil || after.Digest != want || before.Digest == want {
		t.Errorf("%s:%s was %s and moved to %s, but is seen at %s, error %v", repository, tag, before.Digest, want, after.Digest, err)
	}
	for listed, err := range r.Tags(t.Context(), cfg, repository) {
		if err != nil {
			t.Fatal(err)
		}
		if listed.Name == tag && listed.Digest != "" && listed.Digest != want {
			t.Errorf("%s:%s moved to %s, but is listed at %s", repository, tag, want, listed.Digest)
		}
	}
}
