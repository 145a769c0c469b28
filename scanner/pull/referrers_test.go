package pull_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// TestReferrers asks registries that know the referrers API and such that do not,
// where the fallback tag has the answer.
func TestReferrers(t *testing.T) {
	t.Parallel()
	for _, supported := range []bool{true, false} {
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(supported)))
		t.Cleanup(server.Close)
		host := strings.TrimPrefix(server.URL, "http://")
		push := func(reference string, image v1.Image) v1.Hash {
			ref, err := name.ParseReference(host+"/"+reference, name.Insecure)
			if err == nil {
				err = remote.Write(ref, image)
			}
			digest, digestErr := image.Digest()
			if err = errors.Join(err, digestErr); err != nil {
				t.Fatal(err)
			}
			return digest
		}
		image, err := sampleimage.Build(sampleimage.Spec{Layers: []sampleimage.Layer{{{Path: "x", Body: "y"}}}})
		if err != nil {
			t.Fatal(err)
		}
		digest := push("shop/web:1", image)
		subject, err := partial.Descriptor(image)
		if err != nil {
			t.Fatal(err)
		}
		document, err := sampleimage.Artifact("application/vnd.cyclonedx+json", "{}")
		if err != nil {
			t.Fatal(err)
		}
		document = mutate.ConfigMediaType(document, "application/vnd.cyclonedx+json")
		attached, ok := mutate.Subject(document, *subject).(v1.Image)
		if !ok {
			t.Fatal("an image with a subject is no image")
		}
		want := push("shop/web:attached", attached)

		got, err := pull.Referrers(t.Context(), host+"/shop/web:1", digest.String(), pull.Options{PlainHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]pull.Referrer{{Digest: want.String(), ArtifactType: "application/vnd.cyclonedx+json"}}, got); diff != "" {
			t.Errorf("API %v (-want +got):\n%s", supported, diff)
		}
		o := pull.Options{PlainHTTP: true}
		content, err := pull.Attached(t.Context(), host+"/shop/web:1", got[0], 2, o)
		if err != nil || string(content) != "{}" {
			t.Errorf("API %v: %q, %v", supported, content, err)
		}
		if _, err := pull.Attached(t.Context(), host+"/shop/web:1", got[0], 1, o); !errors.Is(err, limit.ErrExceeded) {
			t.Errorf("API %v: too long: %v", supported, err)
		}
		if _, err := pull.Attached(t.Context(), host+"/shop/web:1", pull.Referrer{Digest: "x"}, 1, o); !errors.Is(err, pull.ErrReference) {
			t.Error(err)
		}
		if _, err := pull.Attached(t.Context(), host+"/shop/web:1", pull.Referrer{Digest: "sha256:" + strings.Repeat("0", 64)}, 1, o); !errors.Is(err, pull.ErrNotFound) {
			t.Error(err)
		}
		two, err := mutate.AppendLayers(attached, static.NewLayer([]byte("{}"), "x"))
		if err != nil {
			t.Fatal(err)
		}
		several := push("shop/web:two", two)
		if _, err := pull.Attached(t.Context(), host+"/shop/web:1", pull.Referrer{Digest: several.String()}, 9, o); !errors.Is(err, pull.ErrUnsupported) {
			t.Error(err)
		}
		none, err := pull.Referrers(t.Context(), host+"/shop/web:1", want.String(), pull.Options{PlainHTTP: true})
		if err != nil || len(none) != 0 {
			t.Errorf("API %v: nothing refers to it: %v, %v", supported, none, err)
		}
		bounded := pull.Options{PlainHTTP: true, Limits: limit.Limits{ManifestBytes: 10}}
		if _, err := pull.Referrers(t.Context(), host+"/shop/web:1", digest.String(), bounded); !errors.Is(err, limit.ErrExceeded) {
			t.Errorf("API %v: a long list: %v", supported, err)
		}
		if _, err := pull.Referrers(t.Context(), host+"/shop/web:1", "no digest", pull.Options{PlainHTTP: true}); !errors.Is(err, pull.ErrReference) {
			t.Error(err)
		}
	}
}

// TestReferrersAreBounded asks registries that have no end of signatures.
func TestReferrersAreBounded(t *testing.T) {
	t.Parallel()
	const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	signatures := func(n int) string {
		one := `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"` + digest + `","artifactType":"sig"}`
		return `{"manifests":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	for _, tt := range []struct {
		name   string
		page   string
		link   string // # is the page's number
		limits limit.Limits
		want   error
		count  int
		pages  int32
	}{
		{name: "three pages", page: signatures(2), link: "upto 3", count: 6, pages: 3},
		{name: "pages without end", page: signatures(1), link: `<?n=#>; rel="next"`, want: limit.ErrExceeded, count: 20, pages: 20},
		{name: "the same page again and again", page: signatures(0), link: `</v2/shop/web/referrers/` + digest + `>; rel="next"`, want: limit.ErrExceeded, pages: 20},
		{name: "thousands on a page", page: signatures(5000), want: limit.ErrExceeded, count: 1000, pages: 1},
		{name: "thousands on several pages", page: signatures(300), link: `<?n=#>; rel="next"`, want: limit.ErrExceeded, count: 1000, pages: 4},
		{name: "a page too large", page: signatures(100), limits: limit.Limits{ManifestBytes: 1000}, want: limit.ErrExceeded, pages: 1},
		{name: "pages too large together", page: signatures(10), link: `<?n=#>; rel="next"`, limits: limit.Limits{ManifestBytes: 3 * int64(len(signatures(10)))},
			want: limit.ErrExceeded, count: 30, pages: 4},
		{name: "a page that never ends", page: "endless", limits: limit.Limits{ManifestBytes: 1 << 20}, want: limit.ErrExceeded, pages: 1},
		{name: "another host", page: signatures(1), link: `<http://169.254.169.254/latest>; rel="next"`, want: pull.ErrMalformed, count: 1, pages: 1},
		{name: "another path", page: signatures(1), link: `</v2/shop/secret/referrers/` + digest + `>; rel="next"`, want: pull.ErrMalformed, count: 1, pages: 1},
		{name: "a link that is none", page: signatures(1), link: `<http://%zz>; rel="next"`, want: pull.ErrMalformed, count: 1, pages: 1},
		{name: "another relation", page: signatures(1), link: `<?n=#>; rel="prev"`, count: 1, pages: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var pages atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(r.URL.Path, "/referrers/") {
					return
				}
				n := pages.Add(1)
				switch {
				case tt.link == "upto 3" && n < 3:
					w.Header().Set("Link", fmt.Sprintf(`<?n=%d>; rel="next"`, n))
				case tt.link != "upto 3":
					w.Header().Set("Link", strings.ReplaceAll(tt.link, "#", strconv.Itoa(int(n))))
				}
				if tt.page != "endless" {
					_, _ = io.WriteString(w, tt.page)
					return
				}
				for junk := bytes.Repeat([]byte(" "), 64<<10); ; {
					if _, err := w.Write(junk); err != nil {
						return
					}
				}
			}))
			t.Cleanup(server.Close)
			got, err := pull.Referrers(t.Context(), strings.TrimPrefix(server.URL, "http://")+"/shop/web:1", digest, pull.Options{PlainHTTP: true, Limits: tt.limits})
			if !errors.Is(err, tt.want) || len(got) != tt.count || pages.Load() != tt.pages {
				t.Errorf("%d referrers of %d pages, error %v; want %d of %d, error %v", len(got), pages.Load(), err, tt.count, tt.pages, tt.want)
			}
		})
	}
}

func TestSBOMFormat(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]pull.Referrer{
		"cyclonedx": {ArtifactType: "application/vnd.cyclonedx+json"},
		"spdx":      {ArtifactType: "application/vnd.in-toto+json", Predicate: "https://spdx.dev/Document"},
		"":          {ArtifactType: "application/vnd.dev.cosign.artifact.sig.v1+json"},
	} {
		if got := r.SBOMFormat(); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}
