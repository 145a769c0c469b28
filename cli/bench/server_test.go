package bench

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/cli/rig"
)

// startRegistry starts Debian's docker-registry on loopback for the length of
// the benchmark and returns its address.
func startRegistry(b *testing.B) string {
	b.Helper()
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		b.Skip("SKIP: neither BENCH_REGISTRY nor docker-registry is there (apt-get install docker-registry)")
	}
	dir, addr := b.TempDir(), freeAddr(b)
	config := filepath.Join(dir, "registry.yml")
	err = os.WriteFile(config, fmt.Appendf(nil, `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s}
`, filepath.Join(dir, "data"), addr), 0o600)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", config)
	exited, err := rig.StartTied(cmd, syscall.SIGKILL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited // killed, as asked
	})
	for range 200 {
		if resp, err := http.Get("http://" + addr + "/v2/"); err == nil {
			_ = resp.Body.Close()
			return addr
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("docker-registry does not answer after ten seconds")
	return ""
}

func freeAddr(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func push(b *testing.B, registry, repositoryTag string, image v1.Image) string {
	b.Helper()
	ref := reference(b, registry, repositoryTag)
	if err := remote.Write(ref, image); err != nil {
		b.Fatalf("push %s: %v", ref, err)
	}
	return ref.Name()
}

func reference(b *testing.B, registry, repositoryTag string) name.Reference {
	b.Helper()
	ref, err := name.ParseReference(registry+"/"+repositoryTag, name.Insecure)
	if err != nil {
		b.Fatal(err)
	}
	return ref
}

// pushLayout copies every image of an OCI layout under its reference name.
func pushLayout(b *testing.B, dir, registry string) {
	b.Helper()
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		b.Fatal(err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		b.Fatal(err)
	}
	for _, desc := range manifest.Manifests {
		tag := desc.Annotations["org.opencontainers.image.ref.name"]
		if desc.MediaType.IsIndex() {
			index, err := root.ImageIndex(desc.Digest)
			if err == nil {
				err = remote.WriteIndex(reference(b, registry, tag), index)
			}
			if err != nil {
				b.Fatalf("push %s: %v", tag, err)
			}
			continue
		}
		image, err := root.Image(desc.Digest)
		if err != nil {
			b.Fatal(err)
		}
		push(b, registry, tag, image)
	}
}
