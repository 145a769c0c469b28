package plughost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/intake"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registry"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/plugins/builtin"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

// The services' ports, which are declared over there.
var (
	_ registry.Lister     = (*Registries)(nil)
	_ scanjob.Credentials = (*Registries)(nil)
	_ intake.Ingester     = (*Documents)(nil)
)

const someDigest = "sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"

// builtinHost runs the real built-ins, each in a process of its own.
func builtinHost(t testing.TB) *hosted {
	t.Helper()
	return startHost(t, func(o *Options) {
		o.Builtins = nil
		for _, p := range builtin.Plugins() {
			o.Builtins = append(o.Builtins, Builtin{p.Kind, p.Name})
		}
	})
}

// TestBuiltinsConform runs the conformance suite against every built-in as the
// daemon runs it.
func TestBuiltinsConform(t *testing.T) {
	t.Parallel()
	h := builtinHost(t)
	reg, _ := startRegistry(t)
	cfg, err := settingsOf(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range builtin.Plugins() {
		var o sdktest.Options // the others have fakes of their kind in their own tests
		switch p.Name {
		case "oci":
			o.Config = cfg
		case "trivy":
			o.Document = []byte(trivyDocument)
		}
		if r := sdktest.Check(t.Context(), h.supervisor(t, p.Kind, p.Name), o); !r.OK() || r.Plugin.Name != p.Name {
			t.Errorf("%s", r)
		}
	}
}

// startRegistry serves a registry with one image in it.
func startRegistry(t *testing.T) (model.Registry, model.Digest) {
	t.Helper()
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/team/app:1.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return model.Registry{Name: "test", Type: "oci", URL: server.URL}, model.Digest(digest.String())
}

func TestRegistries(t *testing.T) {
	t.Parallel()
	r := builtinHost(t).Registries(registryhttp.NewHosts(time.Now))
	reg, digest := startRegistry(t)
	if diff := cmp.Diff([]string{"dockerhub", "ecr", "gitlab", "harbor", "oci", "quay"}, r.Types()); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	var seen []string
	err := r.ListRepositories(t.Context(), reg, func(repo string) error {
		return r.ListTags(t.Context(), reg, repo, func(img model.ListedImage) error {
			seen = append(seen, repo+":"+img.Tag)
			return nil
		})
	})
	if diff := cmp.Diff([]string{"team/app:1.0"}, seen); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	stop := errors.New("enough")
	if err := r.ListRepositories(t.Context(), reg, func(string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("yield's error becomes %v", err)
	}
	img, err := r.ResolveTag(t.Context(), reg, "team/app", "1.0")
	want := model.ListedImage{Repository: "team/app", Tag: "1.0", Digest: digest, MediaType: "application/vnd.docker.distribution.manifest.v2+json"}
	if diff := cmp.Diff(want, img); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := r.ResolveTag(t.Context(), reg, "team/app", "2.0"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a tag that is not there: %v", err)
	}
	steps, err := r.Test(t.Context(), reg)
	if err != nil || len(steps) != 5 || !steps[4].OK {
		t.Errorf("test: %+v, %v", steps, err)
	}
	reg.Username, reg.Password = "me", "hunter2"
	cred, err := r.Credential(t.Context(), reg, "team/app")
	if diff := cmp.Diff(model.Credential{Username: "me", Password: "hunter2"}, cred); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	reg.Type = "nexus"
	if _, err := r.Test(t.Context(), reg); fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("an unknown type: %v", err)
	}
}

const trivyDocument = `{"SchemaVersion":2,"Trivy":{"Version":"0.74.0"},"ArtifactName":"registry.example/team/app:1.0","ArtifactType":"container_image","CreatedAt":"2026-05-01T08:00:00Z",
"Metadata":{"OS":{"Family":"alpine","Name":"3.12"},"ImageID":"` + someDigest + `","DiffIDs":["` + someDigest + `"],
"RepoDigests":["registry.example/team/app@` + someDigest + `"],"ImageConfig":{"os":"linux","architecture":"amd64"}},
"Results":[{"Target":"x","Class":"os-pkgs","Type":"alpine","Packages":[{"Name":"zlib","Version":"1","Arch":"x86_64","SrcName":"zlib","SrcVersion":"1","Identifier":{"PURL":"pkg:apk/alpine/zlib@1"},"Layer":{"DiffID":"` + someDigest + `"}}],
"Vulnerabilities":[{"VulnerabilityID":"CVE-2022-37434","PkgName":"zlib","InstalledVersion":"1","FixedVersion":"2","Severity":"HIGH","Status":"fixed","Layer":{"DiffID":"` + someDigest + `"},"Title":"t","PrimaryURL":"u","CVSS":{"nvd":{"V3Score":7.5}}}]}]}`

func TestDocuments(t *testing.T) {
	t.Parallel()
	d := builtinHost(t).Documents()
	format, err := d.Recognize(t.Context(), []byte(trivyDocument))
	if err != nil || format != "trivy" {
		t.Fatalf("recognized as %q, %v", format, err)
	}
	got, err := d.Parse(t.Context(), format, strings.NewReader(trivyDocument))
	if err != nil {
		t.Fatal(err)
	}
	want := model.Document{
		Tool: "trivy", ToolVersion: "0.74.0", Digest: someDigest, ImageID: someDigest, Reference: "registry.example/team/app:1.0",
		ScannedAt: time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC),
		Image: model.Image{
			Digest: someDigest, ImageID: someDigest, Platform: model.Platform{OS: "linux", Architecture: "amd64"},
			OS: model.OS{Family: "alpine", Version: "3.12"}, Layers: []model.Layer{{DiffID: someDigest}},
		},
		Packages: []model.Package{{Name: "zlib", Version: "1", Type: "alpine", SourceName: "zlib", SourceVersion: "1", Arch: "x86_64", Layer: someDigest, PURL: "pkg:apk/alpine/zlib@1"}},
		Findings: []model.Finding{{
			ID: "CVE-2022-37434", Package: "zlib", Installed: "1", Fixed: "2", Type: "alpine", Layer: someDigest, Severity: model.High,
			Status: "fixed", Score: 7.5, Title: "t", URL: "u",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := d.Recognize(t.Context(), []byte("<xml/>")); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("a document nobody reads: %v", err)
	}
	if _, err := d.Parse(t.Context(), format, strings.NewReader(trivyDocument[:200])); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a document that is cut off: %v", err)
	}
	if _, err := d.Parse(t.Context(), "spdx", strings.NewReader("")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown format: %v", err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want fault.Kind
	}{
		{sdk.ErrInvalid, fault.Invalid}, {sdk.ErrLimit, fault.TooLarge}, {sdk.ErrNotFound, fault.NotFound},
		{sdk.ErrUnauthorized, fault.Unavailable}, {sdk.ErrDenied, fault.Unavailable}, {sdk.ErrUnavailable, fault.Unavailable},
		{sdk.ErrUnsupported, fault.Unsupported}, {ErrUnknown, fault.NotFound}, {ErrFailed, fault.Unavailable}, {ErrStopped, fault.Unavailable},
		{&sdk.RetryError{Err: io.EOF}, fault.Unavailable}, {io.EOF, fault.Internal}, {context.Canceled, fault.Internal},
		{fault.New(fault.Conflict, "x"), fault.Conflict},
	}
	for _, tt := range tests {
		got := faultOf(fmt.Errorf("wrapped: %w", tt.err))
		if fault.KindOf(got) != tt.want || !errors.Is(got, tt.err) {
			t.Errorf("%v becomes %v, which is %s", tt.err, got, fault.KindOf(got))
		}
	}
	if faultOf(nil) != nil {
		t.Error("no error becomes one")
	}
}

// TestStreamsThroughAProcess: streams outlive their listener, and die with the
// process, with a reason.
func TestStreamsThroughAProcess(t *testing.T) {
	t.Parallel()
	h := builtinHost(t)
	streams, err := h.Streams("direct")
	if err != nil {
		t.Fatal(err)
	}
	l, err := streams.Listen(t.Context(), nil, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if _, err := io.ReadFull(near, buf); err != nil || string(buf) != "still here" {
		t.Errorf("after the listener closed: %q, %v", buf, err)
	}
	st := h.await(t, sdk.KindTransport, "direct", func(s Status) bool { return s.PID != 0 })
	killGroup(st.PID)
	if _, err := near.Read(buf); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("the process died, and reading gives %v", err)
	}
}

// BenchmarkDocument parses documents of 1 MB in the real ingest process, with
// texts and references of the usual length.
func BenchmarkDocument(b *testing.B) {
	d := builtinHost(b).Documents()
	head, tail, _ := strings.Cut(trivyDocument, `{"VulnerabilityID"`)
	one := `{"Description":"` + strings.Repeat("x", 700) + `","References":["` + strings.Repeat("https://example.invalid/\",\"", 60) + `"],"VulnerabilityID"` +
		strings.TrimSuffix(tail, "]}]}")
	doc := head + strings.Repeat(one+",", 1<<20/len(one)) + one + "]}]}"
	b.SetBytes(int64(len(doc)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := d.Parse(b.Context(), "trivy", strings.NewReader(doc)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
