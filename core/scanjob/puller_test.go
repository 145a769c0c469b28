package scanjob_test

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// guarded is a registry over TLS that wants a password.
func guarded(t *testing.T) (server *httptest.Server, ca string) {
	t.Helper()
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "u" || password != "p" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestPullerReachesARegistryAsItsSettingsSay(t *testing.T) {
	t.Parallel()
	server, ca := guarded(t)
	host := strings.TrimPrefix(server.URL, "https://")
	catalog, err := sampleimage.Catalog(time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	artifact, err := sampleimage.Artifact("application/vnd.cncf.helm.config.v1+json", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	push := func(img v1.Image) model.Digest {
		t.Helper()
		ref, err := name.ParseReference(host + "/app:latest")
		if err != nil {
			t.Fatal(err)
		}
		auth := remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "u", Password: "p"}))
		if err := remote.Write(ref, img, auth, remote.WithTransport(server.Client().Transport)); err != nil {
			t.Fatal(err)
		}
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return model.Digest(d.String())
	}
	image, chart := push(catalog[0].Image), push(artifact)
	sc, err := scanner.New(scanner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	puller := scanjob.NewPuller(sc, "a/1", registryhttp.NewHosts(time.Now))
	good := scanjob.Target{
		Registry:   model.Registry{Name: "shop", URL: server.URL, CACert: ca},
		Repository: "app", Digest: image, Credential: model.Credential{Username: "u", Password: "p"},
	}
	tests := map[string]struct {
		change func(*scanjob.Target)
		want   fault.Kind
	}{
		"all good":          {func(*scanjob.Target) {}, -1},
		"unknown CA":        {func(t *scanjob.Target) { t.Registry.CACert = "" }, fault.Unavailable},
		"CA is no PEM":      {func(t *scanjob.Target) { t.Registry.CACert = "x" }, fault.Invalid},
		"wrong password":    {func(t *scanjob.Target) { t.Credential.Password = "hunter2" }, fault.Unavailable},
		"no credential":     {func(t *scanjob.Target) { t.Credential = model.Credential{} }, fault.Unavailable},
		"not there":         {func(t *scanjob.Target) { t.Digest = h64("9") }, fault.NotFound},
		"no such name":      {func(t *scanjob.Target) { t.Repository = "UPPER" }, fault.Invalid},
		"URL without host":  {func(t *scanjob.Target) { t.Registry.URL = "https://" }, fault.Invalid},
		"a chart, no image": {func(t *scanjob.Target) { t.Digest = chart }, fault.Unsupported},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := good
			test.change(&target)
			found, err := puller.Image(t.Context(), target)
			if test.want < 0 {
				if err != nil || found.Inventory.Image.Digest != string(image) || len(found.Sets) == 0 {
					t.Fatalf("%+v, error %v", found.Inventory.Image, err)
				}
				if _, is, err := puller.Index(t.Context(), target); is || err != nil {
					t.Errorf("it is an index: %v, error %v", is, err)
				}
				return
			}
			if fault.KindOf(err) != test.want {
				t.Errorf("error %v (%v), want %v", err, fault.KindOf(err), test.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func h64(fill string) model.Digest { return model.Digest("sha256:" + strings.Repeat(fill, 64)) }

// A registry that was set up with https is never asked in plain HTTP, though the
// client library would do so at addresses like this one.
func TestPullerNeverFallsBackToPlainHTTP(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(true)
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	sc, err := scanner.New(scanner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	target := scanjob.Target{
		Registry:   model.Registry{Name: "shop", URL: "https" + strings.TrimPrefix(server.URL, "http")},
		Repository: "app", Digest: h64("1"), Credential: model.Credential{Username: "u", Password: "p"},
	}
	puller := scanjob.NewPuller(sc, "a/1", registryhttp.NewHosts(time.Now))
	if _, _, err := puller.Index(t.Context(), target); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("index: %v", err)
	}
	if _, err := puller.Image(t.Context(), target); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("image: %v", err)
	}
	if asked.Load() {
		t.Error("the registry was asked in plain HTTP")
	}
}

// An annotation alone must not keep an image that runs from being scanned.
func TestAnAttestationHasNoPlatform(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	catalog, err := sampleimage.Catalog(time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	linux, unknown := v1.Platform{OS: "linux", Architecture: "amd64"}, v1.Platform{OS: "unknown", Architecture: "unknown"}
	mark := map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	for what, tt := range map[string]struct {
		entry v1.Descriptor
		want  string
	}{
		"an image":                           {v1.Descriptor{Platform: &linux}, "linux/amd64"},
		"an image marked as an attestation":  {v1.Descriptor{Platform: &linux, Annotations: mark}, "linux/amd64"},
		"an attestation":                     {v1.Descriptor{Platform: &unknown, Annotations: mark}, "unknown/unknown"},
		"an attestation without a platform":  {v1.Descriptor{Annotations: mark}, "unknown/unknown"},
		"an image of which nothing is known": {v1.Descriptor{}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: catalog[0].Image, Descriptor: tt.entry})
			d, err := index.Digest()
			if err != nil {
				t.Fatal(err)
			}
			ref, err := name.NewDigest(strings.TrimPrefix(server.URL, "http://") + "/app@" + d.String())
			if err != nil {
				t.Fatal(err)
			}
			if err := remote.WriteIndex(ref, index); err != nil {
				t.Fatal(err)
			}
			target := scanjob.Target{Registry: model.Registry{Name: "shop", URL: server.URL}, Repository: "app", Digest: model.Digest(d.String())}
			ix, is, err := scanjob.NewPuller(nil, "a/1", registryhttp.NewHosts(time.Now)).Index(t.Context(), target)
			if err != nil || !is || len(ix.Children) != 1 || ix.Children[0].Platform.String() != tt.want {
				t.Errorf("%+v, %v, error %v; want the platform %q", ix, is, err, tt.want)
			}
		})
	}
}

// A registry that says "later" is asked once, by whichever pull came first, and
// everybody learns when to come back.
func TestPullsReadRetryAfter(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		asked.Add(1)
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	sc, err := scanner.New(scanner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	puller := scanjob.NewPuller(sc, "a/1", registryhttp.NewHosts(time.Now))
	target := scanjob.Target{Registry: model.Registry{Name: "shop", URL: server.URL}, Repository: "app", Digest: h64("1")}
	for range 25 {
		_, _, indexErr := puller.Index(t.Context(), target)
		_, imageErr := puller.Image(t.Context(), target)
		for _, err := range []error{indexErr, imageErr} {
			if after, later := fault.RetryAfterOf(err); !later || after < 9*time.Minute || fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "429") {
				t.Errorf("%v, to be tried after %s, %v", err, after, later)
			}
		}
	}
	if asked.Load() != 1 {
		t.Errorf("%d requests for 50 pulls of a registry that says later", asked.Load())
	}
}

// One place at a time is enough for an index and an image with many layers:
// nothing is held open while something else is asked for.
func TestPullsNeedOnePlace(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	img, err := random.Image(1<<16, 8)
	if err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewDigest(strings.TrimPrefix(server.URL, "http://") + "/app@" + d.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	sc, err := scanner.New(scanner.Options{Parallel: 4})
	if err != nil {
		t.Fatal(err)
	}
	puller := scanjob.NewPuller(sc, "a/1", registryhttp.NewHosts(time.Now))
	target := scanjob.Target{
		Registry:   model.Registry{Name: "shop", URL: server.URL, Settings: map[string]any{"concurrency": 1.0}},
		Repository: "app", Digest: model.Digest(d.String()),
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := puller.Index(ctx, target); err != nil {
		t.Error(err)
	}
	if _, err := puller.Image(ctx, target); err != nil {
		t.Error(err)
	}
}
