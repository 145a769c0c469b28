package scanner_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// tenants is a registry that keeps blobs by repository, as real ones do, and
// counts the requests for them.
type tenants struct {
	host  string
	mu    sync.Mutex
	asked map[string]int // "GET repository digest"
	// missing are repositories without blobs, lying such that claim to have them.
	missing, lying map[string]bool
}

func newTenants(t *testing.T) *tenants {
	t.Helper()
	s := &tenants{asked: map[string]int{}, missing: map[string]bool{}, lying: map[string]bool{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repository, _, isBlob := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/sha256:")
		if isBlob && strings.HasPrefix(r.UserAgent(), "muster") {
			s.mu.Lock()
			s.asked[r.Method+" "+repository+" "+path.Base(r.URL.Path)]++
			lacks := s.missing[repository+" "+path.Base(r.URL.Path)]
			lies := s.lying[repository] && r.Method == http.MethodHead
			s.mu.Unlock()
			if lacks && !lies {
				http.NotFound(w, r)
				return
			}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	return s
}

// push writes an image; without its layers, only its documents can be read there.
func (s *tenants) push(t *testing.T, repository string, image v1.Image, layers bool) {
	t.Helper()
	r, err := name.ParseReference(s.host+"/"+repository+":1", name.Insecure)
	if err == nil {
		err = remote.Write(r, image)
	}
	manifest, manifestErr := image.Manifest()
	if err = errors.Join(err, manifestErr); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range manifest.Layers {
		s.missing[repository+" "+l.Digest.String()] = !layers
	}
}

// requests counts those for layers of the image.
func (s *tenants) requests(method, repository string, image v1.Image) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	manifest, err := image.Manifest()
	if err != nil {
		return -1
	}
	n := 0
	for _, l := range manifest.Layers {
		n += s.asked[method+" "+repository+" "+l.Digest.String()]
	}
	return n
}

// TestCachedLayersNeedPossession has one tenant's image read, and then asks for
// it where somebody else only names its digests.
func TestCachedLayersNeedPossession(t *testing.T) {
	t.Parallel()
	image, err := sampleimage.Build(sampleimage.Spec{Layers: []sampleimage.Layer{
		sampleimage.Alpine("3.17.3"), {{Path: "srv/node_modules/secret/package.json", Body: `{"name":"secret","version":"1.0.0"}`}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		// another says that the second image lies in another registry, not only in
		// another repository of the same one.
		another, has, lies bool
		want               error
		heads, gets        int
	}{
		{name: "another repository that has the layers", has: true, heads: 2},
		{name: "another repository that only names them", want: pull.ErrNotFound, heads: 2, gets: 1},
		{name: "another registry that has the layers", another: true, has: true, gets: 2},
		{name: "another registry that only names them", another: true, want: pull.ErrNotFound, gets: 1},
		{name: "another registry that claims to have them", another: true, lies: true, want: pull.ErrNotFound, gets: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			owner := newTenants(t)
			owner.push(t, "owner/app", image, true)
			other := owner
			if tt.another {
				other = newTenants(t)
			}
			other.push(t, "other/app", image, tt.has)
			other.lying["other/app"] = tt.lies
			s := newScanner(t, scanner.Options{Cache: scanner.NewMemoryCache(), Parallel: 1})
			o := pull.Options{PlainHTTP: true, UserAgent: "muster"}
			if _, err := s.Inventory(t.Context(), owner.host+"/owner/app:1", o); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time nothing is asked again, unless it failed
				got, err := s.Inventory(t.Context(), other.host+"/other/app:1", o)
				if !errors.Is(err, tt.want) || (err == nil) != (len(got) == 1) {
					t.Fatalf("%d inventories, error %v; want error %v", len(got), err, tt.want)
				}
				if err != nil {
					break
				}
			}
			heads, gets := other.requests(http.MethodHead, "other/app", image), other.requests(http.MethodGet, "other/app", image)
			// Of a failed image the layers are asked for until the first is refused.
			if tt.want == nil && (heads != tt.heads || gets != tt.gets) || heads > tt.heads || tt.gets > gets {
				t.Errorf("%d HEAD and %d GET requests, want %d and %d", heads, gets, tt.heads, tt.gets)
			}
			if _, err := s.Inventory(t.Context(), owner.host+"/owner/app:1", o); err != nil {
				t.Error(err)
			}
			if n := owner.requests(http.MethodGet, "owner/app", image); n != 2 {
				t.Errorf("the owner's two layers were read %d times", n)
			}
			if n := owner.requests(http.MethodHead, "owner/app", image); n != 0 {
				t.Errorf("the owner was asked %d times for what it had just shown", n)
			}
		})
	}
}
