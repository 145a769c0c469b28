//go:build real

package realtest

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// finding is what two scanners must agree on.
type finding struct{ ID, Package, Installed, Fixed, Severity string }

// material is what a test works on: images in a registry, a vulnerability
// database, and what the scan of some of the images must find.
type material struct {
	db     string // path of trivy.db
	javaDB string // path of trivy-java.db, or empty
	// want holds the findings, by "repository:tag".
	want map[string][]finding
	// step is small against all images together, in bytes.
	step int64
	push func(t *testing.T, r *registryServer, login credentials)
}

// databases are the arguments of a daemon that works on the material.
func (m material) databases() []string {
	args := []string{"--vulndb", m.db}
	if m.javaDB != "" {
		args = append(args, "--javadb", m.javaDB)
	}
	return args
}

// prepare gives the real material of FIXTURES, or the one made by code.
func prepare(t *testing.T) material {
	t.Helper()
	dir := os.Getenv("FIXTURES")
	if dir == "" {
		t.Log("FIXTURES is not set: images and vulnerability DB made by code")
		return madeByCode(t)
	}
	return material{
		db: unpackDB(t, dir), javaDB: filepath.Join(dir, "javadb", "trivy-java.db"),
		step: 256 << 10, want: trivyResults(t, filepath.Join(dir, "expected")),
		push: func(t *testing.T, r *registryServer, login credentials) {
			pushLayout(t, filepath.Join(dir, "images"), r, login)
		},
	}
}

// unpackDB unpacks the compressed DB of the fixtures with Debian's zstd.
func unpackDB(t *testing.T, fixtures string) string {
	t.Helper()
	dir := t.TempDir()
	db := filepath.Join(dir, "trivy.db")
	if out, err := exec.Command("zstd", "-q", "-d", filepath.Join(fixtures, "vulndb", "trivy.db.zst"), "-o", db).CombinedOutput(); err != nil {
		skip(t, "the fixtures' vulnerability DB cannot be unpacked: "+err.Error()+": "+string(out))
	}
	meta, err := os.ReadFile(filepath.Join(fixtures, "vulndb", "metadata.json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "metadata.json"), string(meta))
	return db
}

// pushLayout copies every image of an OCI layout into the registry under its
// reference name.
func pushLayout(t *testing.T, dir string, r *registryServer, login credentials) {
	t.Helper()
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, desc := range manifest.Manifests {
		ref := r.reference(t, desc.Annotations["org.opencontainers.image.ref.name"])
		if desc.MediaType.IsIndex() {
			index, err := root.ImageIndex(desc.Digest)
			if err == nil {
				err = remote.WriteIndex(ref, index, login.option())
			}
			if err != nil {
				t.Fatalf("push %s: %v", ref, err)
			}
			continue
		}
		image, err := root.Image(desc.Digest)
		if err != nil {
			t.Fatal(err)
		}
		pushImage(t, ref, image, login)
	}
}

func pushImage(t *testing.T, ref name.Reference, image v1.Image, login credentials) {
	t.Helper()
	if err := remote.Write(ref, image, login.option()); err != nil {
		t.Fatalf("push %s: %v", ref, err)
	}
}

func (r *registryServer) reference(t *testing.T, repositoryTag string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(r.addr+"/"+repositoryTag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (c credentials) option() remote.Option {
	if c.username == "" {
		return remote.WithAuth(authn.Anonymous)
	}
	return remote.WithAuth(&authn.Basic{Username: c.username, Password: c.password})
}

// trivyResults reads Trivy's stored reports.
func trivyResults(t *testing.T, dir string) map[string][]finding {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no results in %s (%v)", dir, err)
	}
	want := map[string][]finding{}
	for _, file := range files {
		report := readTrivy(t, file)
		var fs []finding
		for _, res := range report.Results {
			for _, v := range res.Vulnerabilities {
				fs = append(fs, finding{v.VulnerabilityID, v.PkgName, v.InstalledVersion, v.FixedVersion, strings.ToLower(v.Severity)})
			}
		}
		want[report.ArtifactName] = fs
	}
	return want
}

type trivyReport struct {
	ArtifactName string
	Results      []struct {
		Type            string
		Vulnerabilities []struct{ VulnerabilityID, PkgName, InstalledVersion, FixedVersion, Severity string }
	}
}

func readTrivy(t *testing.T, file string) trivyReport {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var report trivyReport
	if err := json.NewDecoder(zr).Decode(&report); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return report
}
