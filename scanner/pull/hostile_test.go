package pull_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

func TestNoScannableImage(t *testing.T) {
	t.Parallel()
	host := serve(t)
	artifact, err := sampleimage.Artifact("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart")
	if err != nil {
		t.Fatal(err)
	}
	onlyAttestations, err := sampleimage.Index()
	if err != nil {
		t.Fatal(err)
	}
	withLayer := func(mediaType types.MediaType, urls ...string) v1.Image {
		image, err := mutate.Append(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), mutate.Addendum{
			Layer: static.NewLayer([]byte("x"), mediaType), URLs: urls, MediaType: mediaType,
		})
		if err != nil {
			t.Fatal(err)
		}
		return mutate.MediaType(image, types.OCIManifestSchema1)
	}
	for tag, what := range map[string]remote.Taggable{
		"chart":        artifact,
		"attestations": onlyAttestations,
		"encrypted":    withLayer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
		"foreign-url":  withLayer(types.OCILayer, "http://169.254.169.254/latest/meta-data"),
	} {
		push(t, host+"/other:"+tag, what)
		if _, err := open(host+"/other:"+tag, pull.Options{AllPlatforms: tag == "attestations"}); !errors.Is(err, pull.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", tag, err)
		}
	}
}

// answer serves one document for every manifest and one for every blob.
func answer(t *testing.T, manifest, mediaType, blob string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", mediaType)
			_, _ = io.WriteString(w, manifest)
		case strings.Contains(r.URL.Path, "/blobs/"):
			_, _ = io.WriteString(w, blob)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestContradictions(t *testing.T) {
	t.Parallel()
	const (
		image  = "application/vnd.oci.image.manifest.v1+json"
		index  = "application/vnd.oci.image.index.v1+json"
		config = `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`
		digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	)
	real, _, err := v1.SHA256(strings.NewReader(config))
	if err != nil {
		t.Fatal(err)
	}
	descriptor := func(d string) string {
		return `{"mediaType":"application/vnd.oci.image.config.v1+json","size":1,"digest":"` + d + `"}`
	}
	layer := `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":1,"digest":"` + digest + `"}`
	for _, tt := range []struct {
		name, manifest, mediaType string
		limits                    limit.Limits
		want                      error
	}{
		{"image and index", `{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`, image, limit.Limits{}, pull.ErrMalformed},
		{"neither", `{"schemaVersion":2}`, image, limit.Limits{}, pull.ErrMalformed},
		{"no JSON", `hello`, image, limit.Limits{}, pull.ErrMalformed},
		{"an index that says image", `{"mediaType":"` + image + `","manifests":[]}`, index, limit.Limits{}, pull.ErrMalformed},
		{"an image that says index", `{"mediaType":"` + index + `","config":{},"layers":[]}`, image, limit.Limits{}, pull.ErrMalformed},
		{"an index sent as an image", `{"manifests":[]}`, image, limit.Limits{}, pull.ErrMalformed},
		{"an image sent as an index", `{"config":` + descriptor(real.String()) + `,"layers":[]}`, index, limit.Limits{}, pull.ErrMalformed},
		{"schema 1", `{"schemaVersion":1,"fsLayers":[]}`, "application/vnd.docker.distribution.manifest.v1+prettyjws", limit.Limits{}, pull.ErrUnsupported},
		{"unknown type", `{"mediaType":"application/x","config":{}}`, "application/x", limit.Limits{}, pull.ErrUnsupported},
		{"another digest algorithm", `{"config":` + descriptor("md5:aaaa") + `,"layers":[]}`, image, limit.Limits{}, pull.ErrMalformed},
		{"a digest that is a path", `{"config":` + descriptor("sha256:../../etc/passwd") + `,"layers":[]}`, image, limit.Limits{}, pull.ErrMalformed},
		{"another configuration", `{"config":` + descriptor(digest) + `,"layers":[]}`, image, limit.Limits{}, pull.ErrDigest},
		{"fewer diff IDs than layers", `{"config":` + descriptor(real.String()) + `,"layers":[` + layer + `]}`, image, limit.Limits{}, pull.ErrMalformed},
		{"too many layers", `{"config":` + descriptor(real.String()) + `,"layers":[` + layer + `,` + layer + `]}`, image, limit.Limits{Layers: 1}, limit.ErrExceeded},
		{"a layer too large", `{"config":` + descriptor(real.String()) + `,"layers":[` + strings.Replace(layer, `"size":1`, `"size":5000`, 1) + `]}`, image,
			limit.Limits{LayerBytes: 4999}, limit.ErrExceeded},
		{"a manifest too large", `{"x":"` + strings.Repeat("y", 3000) + `"}`, image, limit.Limits{ManifestBytes: 3000}, limit.ErrExceeded},
		{"a configuration too large", `{"config":` + descriptor(real.String()) + `,"layers":[]}`, image, limit.Limits{ConfigBytes: 10}, limit.ErrExceeded},
		{"a good one", `{"config":` + descriptor(real.String()) + `,"layers":[]}`, image, limit.Limits{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host := answer(t, tt.manifest, tt.mediaType, config)
			_, err := open(host+"/x:1", pull.Options{Limits: tt.limits})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, err := open(host+"/x@"+digest, pull.Options{}); tt.name == "a good one" && !errors.Is(err, pull.ErrDigest) {
				t.Errorf("by another digest: got %v, want ErrDigest", err)
			}
		})
	}
}

// TestLoop serves an index whose only child is what the server likes: without
// digests that are checked it would never end.
func TestLoop(t *testing.T) {
	t.Parallel()
	loop := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":` +
		`"application/vnd.oci.image.index.v1+json","size":1,"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}`
	_, err := open(answer(t, loop, "application/vnd.oci.image.index.v1+json", "")+"/x:1", pull.Options{})
	if !errors.Is(err, pull.ErrDigest) {
		t.Errorf("got %v, want ErrDigest", err)
	}
}

func TestOneBrokenPlatformDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	amd, arm := sample(t, "amd64"), sample(t, "arm64")
	lost := digestOf(t, arm)
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/manifests/"+lost) {
			http.NotFound(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	index, err := sampleimage.Index(arm, amd)
	if err != nil {
		t.Fatal(err)
	}
	ref := strings.TrimPrefix(server.URL, "http://") + "/shop/web:half"
	push(t, ref, index)
	got, err := open(ref, pull.Options{AllPlatforms: true})
	if len(got) != 1 || got[0].Digest.String() != digestOf(t, amd) || !errors.Is(err, pull.ErrNotFound) {
		t.Errorf("got %d images, error %v; want one image and ErrNotFound", len(got), err)
	}
}

func TestPlainHTTPNeedsLeave(t *testing.T) {
	t.Parallel()
	host := serve(t)
	push(t, host+"/shop/web:1.0", sample(t, "amd64"))
	if _, err := pull.Open(context.Background(), host+"/shop/web:1.0", pull.Options{}); !errors.Is(err, pull.ErrInsecure) {
		t.Errorf("got %v, want ErrInsecure", err)
	}
}

// keychain knows one registry and notes who asks.
type keychain struct {
	host  string
	mu    sync.Mutex
	asked []string
}

func (k *keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, r.RegistryStr())
	return &authn.Basic{Username: "user", Password: "secret"}, nil
}

// TestCredentialsStayWithTheRegistry redirects blobs to another host, as
// registries do whose blobs lie in an object store.
func TestCredentialsStayWithTheRegistry(t *testing.T) {
	t.Parallel()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var mu sync.Mutex
	var leaked []string
	var authorised int
	// The store is the same server under another name, so that the host differs.
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, password, hasAuth := r.BasicAuth()
		isStore := strings.HasPrefix(r.Host, "localhost:")
		switch {
		case isStore && r.Header.Get("Authorization") != "":
			leaked = append(leaked, r.URL.Path)
		case isStore:
		case !hasAuth || password != "secret":
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/"):
			u, _ := url.Parse(server.URL)
			http.Redirect(w, r, "http://localhost:"+u.Port()+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		authorised++
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	r, err := name.ParseReference(host+"/shop/web:1.0", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, sample(t, "amd64"), remote.WithAuth(&authn.Basic{Username: "user", Password: "secret"})); err != nil {
		t.Fatal(err)
	}
	keys := &keychain{host: host}
	images, err := open(host+"/shop/web:1.0", pull.Options{Keychain: keys})
	if err != nil {
		t.Fatal(err)
	}
	body, err := images[0].Layer(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, body)
	if len(leaked) > 0 || authorised == 0 {
		t.Errorf("credentials went to the blob store with %v", leaked)
	}
	if diff := cmp.Diff([]string{host}, keys.asked); diff != "" {
		t.Errorf("the keychain was asked for (-want +got):\n%s", diff)
	}
	_, err = open(host+"/shop/web:1.0", pull.Options{})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("anonymous: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(`{"schemaVersion":2,"config":{},"layers":[]}`)
	f.Add(`{"manifests":[{"digest":"sha256:x"}]}`)
	f.Add(`{"manifests":[],"config":{}}`)
	folder := f.TempDir()
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, manifest string) {
		h, _, err := v1.SHA256(strings.NewReader(manifest))
		if err != nil {
			t.Fatal(err)
		}
		if err := path.WriteBlob(h, io.NopCloser(strings.NewReader(manifest))); err != nil {
			t.Skip(err)
		}
		index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"digest":%q,"size":%d}]}`, h, len(manifest))
		if err := os.WriteFile(filepath.Join(folder, "index.json"), []byte(index), 0o600); err != nil {
			t.Fatal(err)
		}
		images, err := pull.Open(context.Background(), "oci:"+folder, pull.Options{})
		if (err == nil) != (len(images) == 1) {
			t.Errorf("%d images and error %v", len(images), err)
		}
	})
}
