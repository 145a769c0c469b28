package scanjob_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// TestAMovedTagIsNotWhatWasListed moves the tag between listing and pulling: what
// is pulled is the digest that was listed, and no tag is asked for.
func TestAMovedTagIsNotWhatWasListed(t *testing.T) {
	t.Parallel()
	catalog, err := sampleimage.Catalog(time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	var mu sync.Mutex
	var asked []string
	swap := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, what, isManifest := strings.Cut(r.URL.Path, "/manifests/")
		mu.Lock()
		if isManifest && r.Method == http.MethodGet {
			asked = append(asked, what)
			if other := swap[what]; other != "" {
				r.URL.Path = strings.Replace(r.URL.Path, what, other, 1)
			}
		}
		mu.Unlock()
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://")+"/app:latest", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := catalog[0].Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	// The tag names another image by the time the job is worked on.
	if err := errors.Join(remote.Write(ref, catalog[0].Image), remote.Write(ref, catalog[1].Image)); err != nil {
		t.Fatal(err)
	}
	sc, err := scanner.New(scanner.Options{Cache: scanner.NewMemoryCache()})
	if err != nil {
		t.Fatal(err)
	}
	puller := scanjob.NewPuller(sc, "a/1", registryhttp.NewHosts(time.Now))
	target := scanjob.Target{Registry: model.Registry{Name: "shop", URL: server.URL}, Repository: "app", Digest: model.Digest(listed.String())}
	found, err := puller.Image(t.Context(), target)
	if err != nil || found.Inventory.Image.Digest != listed.String() {
		t.Fatalf("pulled %s, error %v; want %s", found.Inventory.Image.Digest, err, listed)
	}
	if _, _, err := puller.Index(t.Context(), target); err != nil {
		t.Error(err)
	}
	mu.Lock()
	for _, what := range asked {
		if what != listed.String() {
			t.Errorf("the registry was asked for %s", what)
		}
	}
	moved, err := catalog[1].Image.Digest()
	if err != nil {
		t.Error(err)
	}
	swap[listed.String()] = moved.String()
	mu.Unlock()
	// A registry that answers a digest with another image is not believed.
	if _, err := puller.Image(t.Context(), target); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("another image under the digest: %v", err)
	}
	if _, _, err := puller.Index(t.Context(), target); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("another index under the digest: %v", err)
	}
}
