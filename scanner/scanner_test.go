package scanner_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/layer"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

func created() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// plain are options for the test registry, which has no TLS.
func plain() pull.Options { return pull.Options{PlainHTTP: true} }

// site is a registry with the catalogue that counts the blobs it hands out.
type site struct {
	host  string
	mu    sync.Mutex
	blobs map[string]int
}

func newSite(tb testing.TB) *site {
	tb.Helper()
	s := &site{blobs: map[string]int{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			s.mu.Lock()
			s.blobs[path.Base(r.URL.Path)]++
			s.mu.Unlock()
		}
		inner.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	catalog, err := sampleimage.Catalog(created())
	if err != nil {
		tb.Fatal(err)
	}
	for _, c := range catalog {
		s.push(tb, c.Repository+":"+c.Tag, c.Image)
	}
	return s
}

func (s *site) push(tb testing.TB, ref string, image v1.Image) {
	tb.Helper()
	r, err := name.ParseReference(s.host+"/"+ref, name.Insecure)
	if err != nil {
		tb.Fatal(err)
	}
	if err := remote.Write(r, image); err != nil {
		tb.Fatal(err)
	}
}

func (s *site) fetched(digest string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blobs[digest]
}

func matcher(tb testing.TB) *match.Matcher {
	tb.Helper()
	file, err := build.Write(tb.TempDir(), sampleimage.Advisories(created()))
	if err != nil {
		tb.Fatal(err)
	}
	db, err := vulndb.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return match.New(db)
}

func newScanner(tb testing.TB, o scanner.Options) *scanner.Scanner {
	tb.Helper()
	s, err := scanner.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestScan(t *testing.T) {
	t.Parallel()
	site, m := newSite(t), matcher(t)
	s := newScanner(t, scanner.Options{Cache: scanner.NewMemoryCache()})
	for ref, want := range map[string][]string{
		"base/alpine:3.17": {"CVE-2022-37434 zlib", "CVE-2023-0286 libcrypto3", "CVE-2023-0286 libssl3"},
		"shop/web:1.4.2": {
			"CVE-2022-37434 zlib", "CVE-2023-0286 libcrypto3", "CVE-2023-0286 libssl3",
			"CVE-2019-10744 lodash", "CVE-2021-44906 minimist",
		},
		"shop/web:1.5.0":    nil,
		"shop/orders:2.0.1": {"CVE-2023-52425 libexpat1", "CVE-2024-2961 libc6", "CVE-2023-5678 openssl"},
		"shop/clock:0.3":    nil,
	} {
		t.Run(ref, func(t *testing.T) {
			t.Parallel()
			results, err := s.Scan(context.Background(), site.host+"/"+ref, plain(), m)
			if err != nil || len(results) != 1 {
				t.Fatalf("%d results, %v", len(results), err)
			}
			got := map[string]bool{}
			for _, f := range results[0].Findings {
				got[f.ID+" "+f.Package] = true
			}
			expected := map[string]bool{}
			for _, w := range want {
				expected[w] = true
			}
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(results[0].Gaps) > 0 || len(results[0].Problems) > 0 {
				t.Errorf("gaps %+v, problems %+v", results[0].Gaps, results[0].Problems)
			}
			if r := results[0].Report(); r.Packages == 0 {
				t.Error("the report counts no packages")
			}
		})
	}
}

func TestLayersAreReadOnce(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	s := newScanner(t, scanner.Options{Cache: scanner.NewMemoryCache()})
	var wait sync.WaitGroup
	for _, ref := range []string{"base/alpine:3.17", "shop/web:1.4.2", "shop/web:1.5.0", "shop/web:1.4.2"} {
		wait.Go(func() {
			if _, err := s.Inventory(context.Background(), site.host+"/"+ref, plain()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	inventories, err := s.Inventory(context.Background(), site.host+"/shop/web:1.4.2", plain())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range inventories[0].Image.Layers {
		if n := site.fetched(l.Digest); n != 1 {
			t.Errorf("layer %s was fetched %d times", l.Digest, n)
		}
	}
}

func TestWithoutCacheLayersAreReadAgain(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	s := newScanner(t, scanner.Options{Parallel: 1})
	var first scanner.ImageInventory
	for range 2 {
		got, err := s.Inventory(context.Background(), site.host+"/base/alpine:3.17", plain())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, got[0]); first.Sets != nil && diff != "" {
			t.Errorf("the same image gives another inventory (-first +second):\n%s", diff)
		}
		first = got[0]
	}
	if n := site.fetched(first.Image.Layers[0].Digest); n != 2 {
		t.Errorf("the layer was fetched %d times", n)
	}
}

// lyingImage returns the image with another diff ID in its configuration.
func lyingImage(t *testing.T, image v1.Image) v1.Image {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs[0] = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("c", 64)}
	lying, err := mutate.ConfigFile(image, config)
	if err != nil {
		t.Fatal(err)
	}
	return lying
}

func TestLyingDiffID(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	catalog, err := sampleimage.Catalog(created())
	if err != nil {
		t.Fatal(err)
	}
	site.push(t, "evil:1", lyingImage(t, catalog[0].Image))
	s := newScanner(t, scanner.Options{Cache: scanner.NewMemoryCache()})
	if _, err := s.Inventory(context.Background(), site.host+"/evil:1", plain()); !errors.Is(err, layer.ErrDigest) {
		t.Errorf("fresh: got %v, want ErrDigest", err)
	}
	if _, err := s.Inventory(context.Background(), site.host+"/base/alpine:3.17", plain()); err != nil {
		t.Errorf("the honest image: %v", err)
	}
	if _, err := s.Inventory(context.Background(), site.host+"/evil:1", plain()); !errors.Is(err, layer.ErrDigest) {
		t.Errorf("from the cache: got %v, want ErrDigest", err)
	}
}

// brokenCache is a cache that fails.
type brokenCache struct{ get, put error }

func (c brokenCache) Get(context.Context, inventory.LayerKey) (inventory.LayerAnalysis, bool, error) {
	return inventory.LayerAnalysis{}, false, c.get
}
func (c brokenCache) Put(context.Context, inventory.LayerAnalysis) error { return c.put }

func TestFailures(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	ref := site.host + "/shop/web:1.4.2"
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		options scanner.Options
		want    error
	}{
		"a cache that cannot read":  {scanner.Options{Cache: brokenCache{get: boom}}, boom},
		"a cache that cannot write": {scanner.Options{Cache: brokenCache{put: boom}}, boom},
		"a limit":                   {scanner.Options{Limits: limit.Limits{Entries: 1}}, limit.ErrExceeded},
		"a limit of all layers":     {scanner.Options{Limits: limit.Limits{Facts: 1}}, limit.ErrExceeded},
		"a limit of packages":       {scanner.Options{Limits: limit.Limits{Packages: 1}}, limit.ErrExceeded},
		"a limit of documents":      {scanner.Options{Limits: limit.Limits{ManifestBytes: 10}}, limit.ErrExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newScanner(t, tt.options).Inventory(context.Background(), ref, plain())
			if !errors.Is(err, tt.want) || len(got) != 0 {
				t.Errorf("got %d inventories, error %v", len(got), err)
			}
		})
	}
	if _, err := scanner.New(scanner.Options{Parallel: -1}); err == nil {
		t.Error("a negative parallelism is accepted")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newScanner(t, scanner.Options{}).Scan(ctx, ref, plain(), matcher(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAllPlatforms(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	var images []v1.Image
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := sampleimage.Build(sampleimage.Spec{
			Layers:   []sampleimage.Layer{sampleimage.Alpine("3.17.3", sampleimage.Package{Name: "zlib", Version: "1.2.12-r1"})},
			Platform: v1.Platform{OS: "linux", Architecture: architecture},
		})
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image)
	}
	index, err := sampleimage.Index(images...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := name.ParseReference(site.host+"/multi:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(r, index); err != nil {
		t.Fatal(err)
	}
	s := newScanner(t, scanner.Options{Cache: scanner.NewMemoryCache()})
	results, err := s.Scan(context.Background(), r.Name(), pull.Options{PlainHTTP: true, AllPlatforms: true}, matcher(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, fmt.Sprint(r.Image.Platform, " ", len(r.Findings)))
	}
	if diff := cmp.Diff([]string{"linux/amd64 1", "linux/arm64 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func Example() {
	ctx := context.Background()
	db, err := vulndb.Open("/var/lib/muster/vulndb/trivy.db")
	if err != nil {
		fmt.Println("no database:", errors.Is(err, vulndb.ErrCorrupt))
		return
	}
	s, err := scanner.New(scanner.Options{Cache: scanner.NewMemoryCache()})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := s.Scan(ctx, "oci:/srv/images:shop/web:1.4.2", pull.Options{}, match.New(db))
	if err != nil {
		fmt.Println(err)
	}
	for _, r := range results {
		fmt.Println(r.Image.Digest, len(r.Findings))
	}
	// Output: no database: false
}
