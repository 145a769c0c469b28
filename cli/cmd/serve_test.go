package cmd_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/cli/rig"
	"github.com/muster-sec/muster/core/httpapi/api"
)

// served is a daemon in a process of its own with a configuration file.
type served struct {
	*rig.Rig
	cluster *rig.Cluster
	config  string // path
}

func serve(t *testing.T, config string) *served {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &served{Rig: &rig.Rig{Bin: self, Dir: t.TempDir(), Password: "correct horse battery"}}
	s.config = filepath.Join(s.Dir, "config.yaml")
	s.write(t, config)
	if s.cluster, err = s.Start(t.Context(), "alone", "--config", s.config, "--vulndb-update", "never"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.cluster.Stop(); err != nil {
			t.Errorf("the daemon ended with %v\n%s", err, s.log(t))
		}
	})
	if err := s.cluster.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *served) write(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *served) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.cluster.Log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// reload changes the configuration and waits until the log says the words.
func (s *served) reload(t *testing.T, config, words string) {
	t.Helper()
	before := len(s.log(t))
	s.write(t, config)
	if err := syscall.Kill(s.cluster.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(time.Minute); !strings.Contains(s.log(t)[before:], words); {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("the log does not say %q:\n%s", words, s.log(t))
		}
	}
}

// ask runs a command and decodes what it prints.
func ask[T any](t *testing.T, s *served, args ...string) (answer T) {
	t.Helper()
	res, err := s.Run(context.WithoutCancel(t.Context()), nil, append(args, "--server", s.cluster.URL(), "--output", "json")...)
	if err != nil || res.Code != 0 {
		t.Errorf("muster %v: %v, exit %d\n%s", args, err, res.Code, res.Stderr)
		return answer
	}
	if err := json.Unmarshal([]byte(res.Stdout), &answer); err != nil {
		t.Errorf("muster %v: %v in %s", args, err, res.Stdout)
	}
	return answer
}

func (s *served) plugin(t *testing.T, name string) (found api.Plugin) {
	t.Helper()
	for _, p := range ask[api.List[api.Plugin]](t, s, "plugin", "list").Items {
		if p.Name == name {
			found = p
		}
	}
	return found
}

const emptyReport = `{"SchemaVersion":2,"Trivy":{"Version":"0.74.0"},"ArtifactName":"registry.example/team/app:1.0","ArtifactType":"container_image",` +
	`"Metadata":{"RepoDigests":["registry.example/team/app@sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"]},"Results":[]}`

// TestHangUpReloads sends SIGHUP to a daemon whose configuration file changes:
// plugins come, change while somebody uses them, and go; what is wrong is not
// used; what needs a restart is said.
func TestHangUpReloads(t *testing.T) {
	t.Parallel()
	s := serve(t, "plugins: []\n")
	report := filepath.Join(s.Dir, "report.json")
	if err := os.WriteFile(report, []byte(emptyReport), 0o600); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(s.Bin)
	if err != nil {
		t.Fatal(err)
	}
	declaration := func(processors int) string {
		return fmt.Sprintf("plugins: [{name: mine, kind: ingest, path: %q, sha256: %x, args: [plugin, serve, ingest, trivy], limits: {cpu: %d, memory: 512MiB}}]\n",
			s.Bin, sha256.Sum256(body), processors)
	}
	s.reload(t, declaration(1), "the configuration was read again")
	if p := s.plugin(t, "mine"); p.State != "verified" || p.Builtin {
		t.Errorf("the new plugin: %+v", p)
	}

	ask[api.Receipt](t, s, "submit", report, "--job", "first")
	before := s.plugin(t, "mine").PID
	var posting sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	posted := 0
	posting.Go(func() {
		for ; ctx.Err() == nil && !t.Failed(); posted++ { // ask fails the test when a submission does
			ask[api.Receipt](t, s, "submit", report, "--job", fmt.Sprint(posted))
		}
	})
	s.reload(t, declaration(2)+"scan: {workers: 3}\n", `settings=[scan.workers]`)
	cancel()
	posting.Wait()
	ask[api.Receipt](t, s, "submit", report, "--job", "last")
	after := s.plugin(t, "mine")
	if before == 0 || after.PID == 0 || after.PID == before || posted == 0 {
		t.Errorf("before pid %d, after %+v, %d submissions meanwhile", before, after, posted)
	}

	const refused = "the new configuration is not used"
	s.reload(t, "plugins: [{nam: x}]\n", refused)
	s.reload(t, "plugins: [{name: gone, kind: ingest, path: /no/such/file, sha256: "+strings.Repeat("0", 64)+"}]\n", refused)
	if p := s.plugin(t, "mine"); p.PID != after.PID {
		t.Errorf("a wrong configuration changed something: %+v, before %+v", p, after)
	}
	s.reload(t, "plugins: []\n", "the configuration was read again")
	if p := s.plugin(t, "mine"); p.Name != "" {
		t.Errorf("it is declared no more: %+v", p)
	}
	var targets []string
	for _, e := range ask[api.List[api.AuditEvent]](t, s, "audit").Items {
		if e.Action == "config.reload" {
			targets = append(targets, e.Target+": "+strings.Fields(e.Outcome)[0])
		}
	}
	want := []string{ // newest first
		"ingest/mine removed: ok", "ingest/mine removed; ingest/gone added: plughost:", "plugins: config:",
		"ingest/mine changed: limits: ok", "ingest/mine added: ok",
	}
	if diff := cmp.Diff(want, targets); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}
