package plughost

import (
	"context"
	"encoding/pem"
	"io"
	"iter"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/plugins/sdk"
)

// frugal is a registry plugin that has no optional ability, like the one that
// docs/plugins.md makes.
type frugal struct{}

func serveFrugal() {
	sdk.Serve(sdk.Plugin{
		Name: "frugal", Version: "1.0.0", Kind: sdk.KindRegistry, Registry: frugal{},
		ConfigSchema: `{"type":"object","additionalProperties":false,"required":["url"],"properties":{"url":{"type":"string"},
			"username":{"type":"string"},"password":{"type":"string","writeOnly":true},"ca":{"type":"string"},
			"api_url":{"type":"string"},"concurrency":{"type":"integer","minimum":1},
			"webhook_secret":{"type":"string","writeOnly":true}}}`,
	})
}

func (frugal) Repositories(context.Context, sdk.Config) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("team/app", nil) }
}

func (frugal) Tags(context.Context, sdk.Config, string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		for _, t := range []sdk.Tag{{Name: "1.0"}, {Name: "told", Digest: someDigest, MediaType: "image"}, {Digest: someDigest}, {}} {
			if !yield(t, nil) {
				return
			}
		}
	}
}

func (frugal) Credential(_ context.Context, cfg sdk.Config, _ string) (sdk.Credential, error) {
	var c struct {
		sdk.RegistrySettings
		APIURL      string `json:"api_url"`
		Concurrency int    `json:"concurrency"`
		Secret      string `json:"webhook_secret"`
	}
	err := cfg.Decode(&c)
	return sdk.Credential{Username: c.Username, Password: c.Password}, err
}

func (frugal) Diagnose(context.Context, sdk.Config) ([]sdk.Step, error) { return nil, nil }

func frugalHost(t *testing.T) *Registries {
	t.Helper()
	return startHost(t, func(o *Options) {
		o.Builtins = []Builtin{{sdk.KindRegistry, "frugal"}}
	}).Registries(registryhttp.NewHosts(time.Now))
}

// watched is a registry over TLS that wants a password and notes what it is
// asked about manifests; it may leave the digest out of its answers.
type watched struct {
	reg    model.Registry
	digest model.Digest

	mu        sync.Mutex
	asked     []string
	silent    bool // about digests, without a body
	overdrawn bool
}

func startWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{}
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "u" || password != "p" {
			rw.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.asked = append(w.asked, r.Method)
			if w.overdrawn {
				rw.Header().Set("Retry-After", "120")
				rw.WriteHeader(http.StatusTooManyRequests)
				return
			}
			if w.silent && r.Method == http.MethodHead {
				return
			}
		}
		inner.ServeHTTP(rw, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "https://") + "/team/app:1.0")
	if err != nil {
		t.Fatal(err)
	}
	auth := remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "u", Password: "p"}))
	if err := remote.Write(ref, img, auth, remote.WithTransport(server.Client().Transport)); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	w.digest, w.asked = model.Digest(digest.String()), nil
	w.reg = model.Registry{
		Name: "test", Type: "frugal", URL: server.URL, Username: "u", Password: "p",
		CACert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
	}
	return w
}

func (w *watched) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// A plugin without the ability to resolve tags can be scanned all the same.
func TestTagsOfAPluginThatDoesNotResolveThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change    func(*watched)
		want      fault.Kind // -1: it is found
		requested []string
	}{
		"by HEAD":           {func(*watched) {}, -1, []string{"HEAD"}},
		"by GET":            {func(w *watched) { w.silent = true }, -1, []string{"HEAD", "GET"}},
		"not there":         {func(w *watched) { w.reg.Name = "2.0" }, fault.NotFound, []string{"HEAD"}},
		"wrong password":    {func(w *watched) { w.reg.Password = "x" }, fault.Unavailable, nil},
		"unknown CA":        {func(w *watched) { w.reg.CACert = "" }, fault.Unavailable, nil},
		"later":             {func(w *watched) { w.overdrawn = true }, fault.Unavailable, []string{"HEAD"}},
		"no such plugin":    {func(w *watched) { w.reg.Type = "nexus" }, fault.NotFound, nil},
		"no such reference": {func(w *watched) { w.reg.Name = "UP:PER" }, fault.Invalid, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w := frugalHost(t), startWatched(t)
			test.change(w)
			tag := "1.0"
			if w.reg.Name != "test" {
				tag = w.reg.Name
			}
			img, err := r.ResolveTag(t.Context(), w.reg, "team/app", tag)
			want := model.ListedImage{Repository: "team/app", Tag: tag, Digest: w.digest, MediaType: "application/vnd.docker.distribution.manifest.v2+json"}
			switch {
			case test.want < 0 && (err != nil || img != want):
				t.Errorf("%+v, %v", img, err)
			case test.want >= 0 && fault.KindOf(err) != test.want:
				t.Errorf("%v (%s), want %s", err, fault.KindOf(err), test.want)
			}
			if diff := cmp.Diff(test.requested, w.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			after, later := fault.RetryAfterOf(err)
			if later != w.overdrawn || later && (after > 2*time.Minute || after < time.Minute) {
				t.Errorf("to be tried after %s, %v", after, later)
			}
		})
	}
}

// A refusal holds back every request to that host.
func TestOneRefusalHoldsBackAll(t *testing.T) {
	t.Parallel()
	r, w := frugalHost(t), startWatched(t)
	w.overdrawn = true
	for range 50 {
		if _, err := r.ResolveTag(t.Context(), w.reg, "team/app", "1.0"); fault.KindOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
	}
	if n := len(w.requests()); n != 1 {
		t.Errorf("%d requests for 50 tags of a registry that says later", n)
	}
}

func TestListingsTellWhatPluginsTell(t *testing.T) {
	t.Parallel()
	var got []model.ListedImage
	err := frugalHost(t).ListTags(t.Context(), model.Registry{Type: "frugal", URL: "https://r.example"}, "team/app", func(img model.ListedImage) error {
		got = append(got, img)
		return nil
	})
	want := []model.ListedImage{
		{Repository: "team/app", Tag: "1.0"},
		{Repository: "team/app", Tag: "told", Digest: someDigest, MediaType: "image"},
		{Repository: "team/app", Digest: someDigest},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
