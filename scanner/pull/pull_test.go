package pull_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

func created() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// serve starts a registry in memory and returns its host.
func serve(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func sample(t *testing.T, architecture string) v1.Image {
	t.Helper()
	image, err := sampleimage.Build(sampleimage.Spec{
		Layers:   []sampleimage.Layer{sampleimage.Alpine("3.17.3"), {{Path: "srv/" + architecture, Body: "x"}}},
		Platform: v1.Platform{OS: "linux", Architecture: architecture}, Created: created(), Author: "somebody", User: "65532",
		Env: []string{"A=b"}, Labels: map[string]string{"k": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func push(t *testing.T, ref string, what remote.Taggable) {
	t.Helper()
	r, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	switch w := what.(type) {
	case v1.Image:
		err = remote.Write(r, w)
	case v1.ImageIndex:
		err = remote.WriteIndex(r, w)
	default:
		err = remote.Put(r, w)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func digestOf(t *testing.T, what interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := what.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// open opens with plain HTTP, which the test registry speaks.
func open(ref string, o pull.Options) ([]*pull.Image, error) {
	o.PlainHTTP = true
	return pull.Open(context.Background(), ref, o)
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	host := serve(t)
	image := sample(t, "amd64")
	push(t, host+"/shop/web:1.0", image)
	for _, ref := range []string{
		host + "/shop/web:1.0",
		"docker://" + host + "/shop/web:1.0",
		host + "/shop/web@" + digestOf(t, image),
	} {
		got, err := open(ref, pull.Options{})
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", ref, got, err)
		}
		if got[0].Digest.String() != digestOf(t, image) {
			t.Errorf("%s: digest %s", ref, got[0].Digest)
		}
		body, err := got[0].Layer(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		stored, err := layers[0].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readAll(t, body), readAll(t, stored)) {
			t.Errorf("%s: another layer", ref)
		}
	}
}

func readAll(t *testing.T, r io.ReadCloser) []byte {
	t.Helper()
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	host := serve(t)
	image := sample(t, "arm64")
	push(t, host+"/shop/web:1.0", image)
	images, err := open(host+"/shop/web:1.0", pull.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := images[0].Describe()
	m, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := image.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	at := created()
	want := inventory.Image{
		Reference: host + "/shop/web:1.0", Digest: digestOf(t, image), ImageID: m.Config.Digest.String(),
		MediaType: string(types.OCIManifestSchema1), Platform: "linux/arm64",
		Size:    int64(len(raw)) + m.Config.Size + m.Layers[0].Size + m.Layers[1].Size,
		Created: &at, Author: "somebody", User: "65532", Env: []string{"A=b"}, Labels: map[string]string{"k": "v"},
		History: []inventory.HistoryStep{
			{Created: &at, CreatedBy: "layer 1 of 2", Author: "somebody"},
			{Created: &at, CreatedBy: "layer 2 of 2", Author: "somebody"},
		},
		Layers: []inventory.Layer{
			{Digest: m.Layers[0].Digest.String(), DiffID: c.RootFS.DiffIDs[0].String(), Size: m.Layers[0].Size, CreatedBy: "layer 1 of 2"},
			{Digest: m.Layers[1].Digest.String(), DiffID: c.RootFS.DiffIDs[1].String(), Size: m.Layers[1].Size, CreatedBy: "layer 2 of 2"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	host := serve(t)
	amd, arm := sample(t, "amd64"), sample(t, "arm64")
	index, err := sampleimage.Index(arm, amd)
	if err != nil {
		t.Fatal(err)
	}
	ref := host + "/shop/web:multi"
	push(t, ref, index)
	nested := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: index})
	push(t, host+"/shop/web:nested", nested)
	for _, tt := range []struct {
		name, ref string
		options   pull.Options
		want      []v1.Image
		err       error
	}{
		{"the default platform", ref, pull.Options{}, []v1.Image{amd}, nil},
		{"another platform", ref, pull.Options{Platform: "linux/arm64"}, []v1.Image{arm}, nil},
		{"all platforms without the attestation", ref, pull.Options{AllPlatforms: true}, []v1.Image{arm, amd}, nil},
		{"a platform that is not there", ref, pull.Options{Platform: "linux/s390x"}, nil, pull.ErrNotFound},
		{"several platforms", ref, pull.Options{Platform: "linux/arm64, linux/amd64,linux/arm64"}, []v1.Image{arm, amd}, nil},
		{"one of several is not there", ref, pull.Options{Platform: "linux/s390x,linux/amd64"}, []v1.Image{amd}, pull.ErrNotFound},
		{"nonsense among several", ref, pull.Options{Platform: "linux/amd64,,x"}, nil, pull.ErrReference},
		{"nonsense for a platform", ref, pull.Options{Platform: "linux"}, nil, pull.ErrReference},
		{"nested", host + "/shop/web:nested", pull.Options{}, []v1.Image{amd}, nil},
		{"nested, all", host + "/shop/web:nested", pull.Options{AllPlatforms: true}, []v1.Image{arm, amd}, nil},
		{"nested too deeply", host + "/shop/web:nested", pull.Options{Limits: limit.Limits{IndexDepth: 1}}, nil, limit.ErrExceeded},
		{"too many children", ref, pull.Options{Limits: limit.Limits{IndexChildren: 2}}, nil, limit.ErrExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := open(tt.ref, tt.options)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			var have, want []string
			for _, i := range got {
				have = append(have, i.Digest.String())
			}
			for _, i := range tt.want {
				want = append(want, digestOf(t, i))
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "with:colon")
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	image := sample(t, "amd64")
	for _, name := range []string{"shop/web:1.0", "shop/web:1.1"} {
		if err := path.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": name})); err != nil {
			t.Fatal(err)
		}
	}
	got, err := open("oci:"+folder+":shop/web:1.1", pull.Options{})
	if err != nil || len(got) != 1 || got[0].Digest.String() != digestOf(t, image) {
		t.Fatalf("got %v, %v", got, err)
	}
	body, err := got[0].Layer(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, body)
	for ref, want := range map[string]error{
		"oci:" + folder + ":shop/web:2": pull.ErrNotFound,
		"oci:" + folder:                 pull.ErrReference,
		"oci:" + folder + "x:1":         pull.ErrNotFound,
		"oci:" + t.TempDir() + ":1":     pull.ErrNotFound,
	} {
		if _, err := open(ref, pull.Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", ref, err, want)
		}
	}
	// A blob whose content was changed behind its name is refused.
	manifest := filepath.Join(folder, "blobs", "sha256", strings.TrimPrefix(digestOf(t, image), "sha256:"))
	if err := os.WriteFile(manifest, []byte(`{"schemaVersion":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open("oci:"+folder+":shop/web:1.0", pull.Options{}); !errors.Is(err, pull.ErrDigest) {
		t.Errorf("a changed manifest: %v, want ErrDigest", err)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"", "docker://", "UPPER/case", "host/repo@sha256:short", "docker://host/repo:tag with blank"} {
		if _, err := open(ref, pull.Options{}); !errors.Is(err, pull.ErrReference) {
			t.Errorf("%q: %v, want ErrReference", ref, err)
		}
	}
	host := serve(t)
	if _, err := open(host+"/nothing/here:1", pull.Options{}); !errors.Is(err, pull.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := pull.Open(ctx, serve(t)+"/x:1", pull.Options{PlainHTTP: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
