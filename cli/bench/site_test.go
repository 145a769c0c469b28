package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// site is what both scanners work on, and how to call them.
type site struct {
	registry string // host:port
	db       string // path of trivy.db
	javaDB   string // path of trivy-java.db
	muster   string // the binary
	trivy    *trivy // nil when it is not there
}

func prepare(b *testing.B) *site {
	b.Helper()
	s := &site{registry: os.Getenv("BENCH_REGISTRY"), muster: musterBinary(b)}
	folder := os.Getenv("FIXTURES")
	if folder == "" {
		b.Log("FIXTURES is not set: the vulnerability DB is made by code")
		s.db, s.javaDB = madeDB(b), madeJavaDB(b)
	} else {
		s.db, s.javaDB = unpackDB(b, folder), filepath.Join(folder, "javadb", "trivy-java.db")
	}
	if s.registry == "" {
		s.registry = startRegistry(b)
		pushMade(b, s.registry, s.muster)
		if folder != "" {
			pushLayout(b, filepath.Join(folder, "images"), s.registry)
		}
	}
	s.trivy = findTrivy(b, s)
	return s
}

// musterBinary is the one that make bench has built, or one that is built here.
func musterBinary(b *testing.B) string {
	b.Helper()
	if bin := os.Getenv("MUSTER_BIN"); bin != "" {
		return bin
	}
	bin := filepath.Join(b.TempDir(), "muster")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "github.com/muster-sec/muster/cli/muster")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build muster: %v: %s", err, out)
	}
	return bin
}

// databases are the arguments of a command that looks for vulnerabilities.
func (s *site) databases() []string { return []string{"--vulndb", s.db, "--javadb", s.javaDB} }

// scan scans an image with muster and nothing cached.
func (s *site) scan(b *testing.B, ref string) run {
	b.Helper()
	args := append([]string{"scan", ref, "--plain-http", "--format", "trivy"}, s.databases()...)
	r, out := execute(b, s.muster, args...)
	r.findings = findings(b, out)
	return r
}

// findings counts what a report in Trivy's format says, so that a fast scan that
// finds nothing is noticed.
func findings(b *testing.B, report []byte) int {
	b.Helper()
	var doc struct {
		Results []struct{ Vulnerabilities []json.RawMessage }
	}
	if err := json.Unmarshal(report, &doc); err != nil {
		b.Fatalf("the report cannot be read: %v", err)
	}
	n := 0
	for _, r := range doc.Results {
		n += len(r.Vulnerabilities)
	}
	return n
}

// scannedOf reads what registry show says of the last run.
func scannedOf(b *testing.B, text string) (scanned, failed int) {
	b.Helper()
	var r api.Registry
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.LastRun == nil {
		b.Fatalf("registry show: %v in %s", err, text)
	}
	return r.LastRun.Scanned + r.LastRun.Unchanged + r.LastRun.Unsupported, r.LastRun.Failed
}

// taggedImage is one tag of the registry.
type taggedImage struct {
	name, ref string
	bytes     int64 // of its layers as stored
}

// images lists all tags of the registry.
func (s *site) images(b *testing.B) []taggedImage {
	b.Helper()
	registry, err := name.NewRegistry(s.registry, name.Insecure)
	if err != nil {
		b.Fatal(err)
	}
	repositories, err := remote.Catalog(b.Context(), registry)
	if err != nil {
		b.Fatal(err)
	}
	var images []taggedImage
	for _, repository := range repositories {
		repo := registry.Repo(repository)
		tags, err := remote.List(repo)
		if err != nil && !strings.Contains(err.Error(), "NAME_UNKNOWN") { // a repository that has lost its last tag
			b.Fatal(err)
		}
		for _, tag := range tags {
			ref := repo.Tag(tag)
			size, err := sizeOf(ref)
			if err != nil {
				b.Fatal(err)
			}
			if size > 0 {
				images = append(images, taggedImage{name: repository + ":" + tag, ref: ref.Name(), bytes: size})
			}
		}
	}
	return images
}

// sizeOf returns the size of the layers; 0 for what is no image for linux/amd64.
func sizeOf(ref name.Reference) (int64, error) {
	desc, err := remote.Get(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
	if err != nil {
		return 0, fmt.Errorf("describe %s: %w", ref, err)
	}
	image, err := desc.Image()
	if err != nil {
		return 0, nil //nolint:nilerr // not an image, or not for this platform
	}
	manifest, err := image.Manifest()
	if err != nil {
		return 0, fmt.Errorf("describe %s: %w", ref, err)
	}
	if manifest.Config.MediaType != types.DockerConfigJSON && manifest.Config.MediaType != types.OCIConfigJSON {
		return 0, nil
	}
	var sum int64
	for _, l := range manifest.Layers {
		sum += l.Size
	}
	return sum, nil
}
