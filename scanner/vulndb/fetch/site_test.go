package fetch_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

const layerType = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"

func day(n int) time.Time { return time.Date(2026, 11, n, 6, 0, 0, 0, time.UTC) }

// files builds the database of a day and returns its two files.
func files(tb testing.TB, updated time.Time) (db, metadata []byte) {
	tb.Helper()
	dir := tb.TempDir()
	path, err := build.Write(dir, sampleimage.Advisories(updated))
	if err != nil {
		tb.Fatal(err)
	}
	if db, err = os.ReadFile(path); err != nil {
		tb.Fatal(err)
	}
	if metadata, err = os.ReadFile(filepath.Join(dir, vulndb.MetadataFile)); err != nil {
		tb.Fatal(err)
	}
	return db, metadata
}

// entry is a file of an archive.
type entry struct {
	name string
	body []byte
}

func archive(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.body)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func good(tb testing.TB, updated time.Time) []byte {
	tb.Helper()
	db, metadata := files(tb, updated)
	return archive(tb, entry{"./trivy.db", db}, entry{"metadata.json", metadata}, entry{"../../escape", []byte("x")})
}

// site is a registry that can be told to misbehave.
type site struct {
	host string
	mu   sync.Mutex
	// answer may answer a request instead of the registry.
	answer func(http.ResponseWriter, *http.Request) bool
	asked  map[string]int
}

func newSite(tb testing.TB) *site {
	tb.Helper()
	s := &site{asked: map[string]int{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked[r.Method+" "+r.URL.Path]++
		answer := s.answer
		s.mu.Unlock()
		if answer == nil || !answer(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	tb.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	return s
}

func (s *site) misbehave(answer func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *site) push(tb testing.TB, repository string, mediaType types.MediaType, layers ...[]byte) string {
	tb.Helper()
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, "application/vnd.aquasec.trivy.config.v1+json")
	for _, l := range layers {
		var err error
		if image, err = mutate.AppendLayers(image, static.NewLayer(l, mediaType)); err != nil {
			tb.Fatal(err)
		}
	}
	return s.pushImage(tb, repository, image)
}

func (s *site) pushImage(tb testing.TB, repository string, image v1.Image) string {
	tb.Helper()
	ref, err := name.ParseReference(s.host+"/"+repository+":2", name.Insecure)
	if err != nil {
		tb.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		tb.Fatal(err)
	}
	return s.host + "/" + repository
}

func updater(tb testing.TB, dir string, o fetch.Options) *fetch.Updater {
	tb.Helper()
	o.PlainHTTP, o.Now = true, func() time.Time { return day(23) }
	if o.Wait == nil {
		o.Wait = func(context.Context, time.Duration) error { return nil }
	}
	u, err := fetch.New(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}
