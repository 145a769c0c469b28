//go:build real

package realtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/muster-sec/muster/cli/rig"
)

// registryServer is Debian's docker-registry on loopback.
type registryServer struct {
	addr string
	data string // the folder of its storage
	cmd  *exec.Cmd

	exited <-chan error
}

func (r *registryServer) url() string { return "http://" + r.addr }

// credentials make the server ask for a login; both empty leave it open.
type credentials struct{ username, password string }

func startRegistry(t *testing.T, login credentials) *registryServer {
	t.Helper()
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		skip(t, "docker-registry is not installed (apt-get install docker-registry)")
	}
	dir := t.TempDir()
	addr := freeAddr(t)
	config := fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}
http: {addr: %s}
`, filepath.Join(dir, "data"), addr)
	if login.username != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(login.password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		htpasswd := filepath.Join(dir, "htpasswd")
		write(t, htpasswd, login.username+":"+string(hash)+"\n")
		config += fmt.Sprintf("auth: {htpasswd: {realm: muster-test, path: %s}}\n", htpasswd)
	}
	path := filepath.Join(dir, "registry.yml")
	write(t, path, config)

	cmd := exec.Command(bin, "serve", path)
	log, err := os.Create(filepath.Join(dir, "log")) // it calls every missing blob of a push an error
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the server has its own descriptor
	cmd.Stdout, cmd.Stderr = log, log
	exited, err := rig.StartTied(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	r := &registryServer{addr: addr, data: filepath.Join(dir, "data"), cmd: cmd, exited: exited}
	t.Cleanup(func() {
		r.stop()
		if out, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("log of the registry server:\n%s", out[max(0, len(out)-2000):])
		}
	})
	await(t, 20*time.Second, "the registry server answers", func() bool {
		resp, err := http.Get(r.url() + "/v2/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized
	})
	return r
}

// stop ends the server; calling it again does nothing.
func (r *registryServer) stop() {
	_ = r.cmd.Process.Kill() // or it has ended
	<-r.exited
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// await polls until cond holds; real processes have no clock to inject.
func await(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("after %v: not yet true that %s", limit, what)
		}
	}
}

// skip leaves a test out aloud, and fails it where nothing may be left out.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI_STRICT") == "1" {
		t.Fatal("CI_STRICT=1 and " + reason)
	}
	t.Skip("SKIP: " + reason)
}
