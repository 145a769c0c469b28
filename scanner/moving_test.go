package scanner_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// movingTag is a registry whose tag app:1 is moved to another image as soon as
// its manifest was asked for once.
func movingTag(t *testing.T, before, after v1.Image) (host string) {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var move func() error
	var moved atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/app/manifests/1") && moved.CompareAndSwap(false, true) {
			if err := move(); err != nil {
				t.Error(err)
			}
		}
	}))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	tag, err := name.ParseReference(host+"/app:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	other, err := name.ParseReference(host+"/app:2", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(remote.Write(other, after), remote.Write(tag, before)); err != nil {
		t.Fatal(err)
	}
	move = func() error { return remote.Write(tag, after) }
	return host
}

// TestATagThatMoves reports the image that was read, under its own digest,
// whatever the tag names by then.
func TestATagThatMoves(t *testing.T) {
	t.Parallel()
	build := func(version string) v1.Image {
		image, err := sampleimage.Build(sampleimage.Spec{Layers: []sampleimage.Layer{
			sampleimage.Alpine("3.17.3", sampleimage.Package{Name: "zlib", Version: version}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	before, after := build("1.2.12-r1"), build("1.2.13-r0")
	host := movingTag(t, before, after)
	s := newScanner(t, scanner.Options{Cache: scanner.NewMemoryCache()})
	first, err := before.Digest()
	if err != nil {
		t.Fatal(err)
	}
	second, err := after.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ ref, digest, version string }{
		{host + "/app:1", first.String(), "1.2.12-r1"},
		{host + "/app:1", second.String(), "1.2.13-r0"},
		{host + "/app@" + first.String(), first.String(), "1.2.12-r1"},
	} {
		got, err := s.Inventory(t.Context(), want.ref, pull.Options{PlainHTTP: true})
		if err != nil || len(got) != 1 {
			t.Fatalf("%d inventories, error %v", len(got), err)
		}
		var versions []string
		for _, set := range got[0].Sets {
			for _, p := range set.Packages {
				versions = append(versions, p.Version)
			}
		}
		if got[0].Image.Digest != want.digest || strings.Join(versions, " ") != want.version {
			t.Errorf("%s is said to be %s with %v, want %s with %s", want.ref, got[0].Image.Digest, versions, want.digest, want.version)
		}
	}
}
