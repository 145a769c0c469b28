package bench

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// trivy is the peer.
type trivy struct {
	bin   string
	cache string // folder that holds the databases
}

// findTrivy returns nil, and says so, where there is none.
func findTrivy(b *testing.B, s *site) *trivy {
	b.Helper()
	bin := os.Getenv("TRIVY")
	if bin == "" {
		var err error
		if bin, err = exec.LookPath("trivy"); err != nil {
			b.Log("no ratio: Trivy is not on the path")
			return nil
		}
	}
	t := &trivy{bin: bin, cache: b.TempDir()}
	t.fill(b, t.cache, s)
	return t
}

// fill copies the databases into a cache folder.
func (t *trivy) fill(b *testing.B, cache string, s *site) {
	b.Helper()
	for from, to := range map[string]string{
		s.db: "db/trivy.db",
		filepath.Join(filepath.Dir(s.db), "metadata.json"): "db/metadata.json",
		s.javaDB: "java-db/trivy-java.db",
		filepath.Join(filepath.Dir(s.javaDB), "metadata.json"): "java-db/metadata.json",
	} {
		copyFile(b, from, filepath.Join(cache, to))
	}
}

// cold scans an image with nothing cached but the databases.
func (t *trivy) cold(b *testing.B, ref string) run {
	b.Helper()
	return t.scan(b, ref, "--cache-backend", "memory")
}

// loop scans images one after the other with the cache that Trivy keeps on disk.
func (t *trivy) loop(b *testing.B, images []taggedImage) run {
	b.Helper()
	if err := os.RemoveAll(filepath.Join(t.cache, "fanal")); err != nil {
		b.Fatal(err)
	}
	var sum run
	for _, image := range images {
		r := t.scan(b, image.ref)
		sum = run{cpu: sum.cpu + r.cpu, wall: sum.wall + r.wall, anon: max(sum.anon, r.anon), findings: sum.findings + r.findings}
	}
	return sum
}

func (t *trivy) scan(b *testing.B, ref string, more ...string) run {
	b.Helper()
	args := append([]string{
		"image", "--cache-dir", t.cache, "--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check",
		"--disable-telemetry", "--scanners", "vuln", "--format", "json", "--quiet", "--insecure", "--timeout", time.Hour.String(),
	}, more...)
	r, out := execute(b, t.bin, append(args, ref)...)
	r.findings = findings(b, out)
	return r
}

func copyFile(b *testing.B, from, to string) {
	b.Helper()
	in, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		b.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		b.Fatal(err)
	}
}
