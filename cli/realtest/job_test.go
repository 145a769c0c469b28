//go:build real

package realtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-sec/muster/cli/rig"
	"github.com/muster-sec/muster/core/httpapi/api"
)

// world is a rig whose commands fail the test that runs them.
type world struct {
	*rig.Rig
	t *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	bin := os.Getenv("MUSTER_BIN")
	if bin == "" {
		t.Fatal("MUSTER_BIN is not set: run make test-real")
	}
	return &world{t: t, Rig: &rig.Rig{Bin: bin, Dir: t.TempDir(), Password: "correct horse battery"}}
}

// in gives the same world to a subtest.
func (w *world) in(t *testing.T) *world { return &world{Rig: w.Rig, t: t} }

// start runs a daemon, logs in and stops it with the test; the log of a failed
// test is shown.
func (w *world) start(name string, args ...string) *rig.Cluster {
	w.t.Helper()
	c, err := w.Start(w.t.Context(), name, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := c.Kill(); err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			log, _ := os.ReadFile(c.Log)
			w.t.Logf("log of %s:\n%s", name, log[max(0, len(log)-8000):])
		}
	})
	if err := c.Login(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// muster runs a command that must exit with code and gives its standard output.
func (w *world) muster(c *rig.Cluster, code int, stdin string, args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	res, err := w.Run(ctx, strings.NewReader(stdin), append([]string{"--server", c.URL()}, args...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.Code != code {
		w.t.Fatalf("muster %s: exit %d, want %d\n%s%s", strings.Join(args, " "), res.Code, code, res.Stdout, res.Stderr)
	}
	return res.Stdout
}

// ask runs a command and decodes its JSON.
func ask[T any](w *world, c *rig.Cluster, args ...string) T {
	w.t.Helper()
	var v T
	out := w.muster(c, 0, "", append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		w.t.Fatalf("muster %s: %v in %s", strings.Join(args, " "), err, out)
	}
	return v
}

// list runs a command that lists and decodes its JSON.
func list[T any](w *world, c *rig.Cluster, args ...string) []T {
	w.t.Helper()
	return ask[api.List[T]](w, c, args...).Items
}

// federate makes hub the primary and joins edge.
func (w *world) federate(hub *rig.Cluster, edges ...*rig.Cluster) {
	w.t.Helper()
	w.muster(hub, 0, "", "promote", "--name", hub.Name, "--advertise", hub.Fed)
	for _, edge := range edges {
		token := ask[api.Token](w, hub, "token", "create").Token
		w.muster(edge, 0, token, "join", "--token-file", "-")
	}
}

// synced waits until every managed cluster has applied all that the primary has.
func (w *world) synced(hub *rig.Cluster) {
	w.t.Helper()
	await(w.t, 2*time.Minute, "every member is synced", func() bool {
		for _, c := range list[api.Cluster](w, hub, "cluster", "list") {
			if c.Role == "managed" && (c.Status != "synced" || c.Lag != 0) {
				return false
			}
		}
		return true
	})
}

func (w *world) images(c *rig.Cluster) map[string]api.Image {
	w.t.Helper()
	byName := map[string]api.Image{}
	for _, img := range list[api.Image](w, c, "image", "list") {
		for _, n := range img.Names {
			byName[n] = img
		}
	}
	return byName
}

func findingsOf(w *world, c *rig.Cluster, digest string) []finding {
	w.t.Helper()
	var fs []finding
	for _, f := range ask[api.ImageReport](w, c, "image", "show", digest).Findings {
		if f.Source == "scan" {
			fs = append(fs, finding{f.ID, f.Package, f.Installed, f.Fixed, f.Severity})
		}
	}
	return fs
}

func compare(a, b finding) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }

// asSet sorts and drops repetitions: one package version may lie in several places.
func asSet(fs []finding) []finding {
	fs = slices.Clone(fs)
	slices.SortFunc(fs, compare)
	return slices.Compact(fs)
}

func checkRun(t *testing.T, run api.Run) {
	t.Helper()
	if run.State != "done" || run.Listed == 0 || run.Listed != run.Scanned+run.Unchanged+run.Unsupported+run.Failed {
		t.Errorf("run %+v: want done and listed = scanned + unchanged + unsupported + failed", run)
	}
}

// TestWholeJob is the main job as a user does it: scan once on the primary,
// decide in a joined cluster.
func TestWholeJob(t *testing.T) {
	m := prepare(t)
	reg := startRegistry(t, credentials{})
	m.push(t, reg, credentials{})
	w := newWorld(t)
	hub := w.start("hub", m.databases()...)
	edge := w.start("edge", m.databases()...)
	w.federate(hub, edge)

	w.muster(hub, 0, "", "registry", "add", "fed.prod", "--type", "oci", "--url", reg.url(), "--schedule", "@every 10m")
	w.muster(hub, 0, "", "registry", "scan", "fed.prod", "--wait")
	first := ask[api.Registry](w, hub, "registry", "show", "fed.prod").LastRun
	checkRun(t, *first)
	t.Logf("first run: %+v", *first)

	onHub := w.images(hub)
	for name, want := range m.want {
		img, ok := onHub[reg.addr+"/"+name]
		if !ok {
			t.Errorf("%s is not in the list", name)
			continue
		}
		if diff := cmp.Diff(asSet(want), asSet(findingsOf(w, hub, img.Digest)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("findings of %s (-want +got):\n%s", name, diff)
		}
	}

	w.synced(hub)
	onEdge := w.images(edge)
	ignore := cmpopts.IgnoreFields(api.Image{}, "Origin")
	if diff := cmp.Diff(onHub, onEdge, ignore); diff != "" {
		t.Errorf("images on the managed cluster (-primary +managed):\n%s", diff)
	}

	t.Run("a second scan pulls nothing", func(t *testing.T) {
		w := w.in(t)
		w.muster(hub, 0, "", "registry", "scan", "fed.prod", "--wait")
		again := ask[api.Registry](w, hub, "registry", "show", "fed.prod").LastRun
		checkRun(t, *again)
		if again.Scanned != 0 || again.Unchanged != first.Scanned+first.Unchanged {
			t.Errorf("second run %+v after %+v: nothing had changed", *again, *first)
		}
	})
	t.Run("federated objects are read-only on the managed cluster", func(t *testing.T) {
		w := w.in(t)
		w.muster(edge, 4, "", "registry", "add", "fed.mine", "--type", "oci", "--url", reg.url())
		w.muster(edge, 4, "", "registry", "scan", "fed.prod")
	})
	t.Run("CI results", func(t *testing.T) { ciResults(t, w.in(t), hub, edge) })
	t.Run("decisions", func(t *testing.T) { decisions(t, w.in(t), hub, edge) })
	t.Run("leaving cleans both sides", func(t *testing.T) {
		w := w.in(t)
		w.muster(edge, 0, "", "leave", "--yes")
		if left := w.images(edge); len(left) != 0 {
			t.Errorf("after leaving, the cluster still shows %d federated images", len(left))
		}
		if n := len(list[api.Cluster](w, hub, "cluster", "list")); n != 1 {
			t.Errorf("the primary still lists %d clusters", n)
		}
	})
}

// ciResults posts a document about an image that no registry holds, and sees
// that it counts on the managed cluster only once the switch is on.
func ciResults(t *testing.T, w *world, hub, edge *rig.Cluster) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	report := filepath.Join(w.Dir, "report.json")
	write(t, report, trivyDocument)
	for i, duplicate := range []bool{false, true} {
		out := w.muster(hub, 0, "", "submit", report, "--format", "trivy", "--job", "nightly", "--source", "jenkins", "--digest", digest, "--output", "json")
		var receipt api.Receipt
		if err := json.Unmarshal([]byte(out), &receipt); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if receipt.Duplicate != duplicate || receipt.Counts.Critical != 1 || receipt.Tool == "" {
			t.Errorf("receipt %d: %+v", i, receipt)
		}
	}
	w.muster(hub, 2, "", "submit", filepath.Join(w.Dir, "no-such-file"))
	w.synced(hub)
	w.muster(edge, 5, "", "image", "verdict", digest) // not yet known: the switch is off
	w.muster(hub, 0, "", "cluster", "settings", "--sync-ci-results")
	w.synced(hub)
	verdicts := list[api.Verdict](w, edge, "image", "verdict", digest)
	if len(verdicts) != 1 || verdicts[0].Source != "ci" || verdicts[0].Origin != "fed" || verdicts[0].Counts.Critical != 1 {
		t.Errorf("verdicts on the managed cluster: %+v", verdicts)
	}
}

const trivyDocument = `{"SchemaVersion":2,"Trivy":{"Version":"0.74.0"},"ArtifactName":"registry.example/shop/checkout:1.0","ArtifactType":"container_image",
"Metadata":{"OS":{"Family":"alpine","Name":"3.17.3"}},
"Results":[{"Target":"shop/checkout (alpine 3.17.3)","Class":"os-pkgs","Type":"alpine",
"Packages":[{"ID":"zlib@1.2.12-r1","Name":"zlib","Version":"1.2.12-r1"}],
"Vulnerabilities":[{"VulnerabilityID":"CVE-2022-37434","PkgName":"zlib","InstalledVersion":"1.2.12-r1","FixedVersion":"1.2.12-r2","Status":"fixed","Severity":"CRITICAL"}]}]}
`

// decisions sets a federated rule and asks the managed cluster, then again
// while the primary is gone.
func decisions(t *testing.T, w *world, hub, edge *rig.Cluster) {
	var bad, good string
	for _, name := range slices.Sorted(maps.Keys(w.images(hub))) {
		switch img := w.images(hub)[name]; {
		case img.Counts.Critical > 0:
			bad = name
		case img.Counts.Critical == 0 && img.Status == "finished":
			good = name
		}
	}
	if bad == "" || good == "" {
		t.Fatalf("the material has no image to deny (%q) or to allow (%q)", bad, good)
	}
	rule := filepath.Join(w.Dir, "rule.yaml")
	write(t, rule, `{cfg_type: federal, rule_type: deny, rule_mode: protect, comment: no criticals, criteria: [{name: cveCriticalCount, op: ">=", value: "1"}]}`)
	w.muster(hub, 0, "", "rule", "apply", "-f", rule)
	w.synced(hub)

	judge := func() {
		out := w.muster(edge, 1, review(bad), "admission", "review")
		if !strings.Contains(out, "100001") {
			t.Errorf("the denial of %s does not name the rule:\n%s", bad, out)
		}
		w.muster(edge, 0, review(good), "admission", "review")
	}
	judge()
	if err := hub.Kill(); err != nil {
		t.Fatal(err)
	}
	judge()
	if err := hub.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.synced(hub)
}

func review(image string) string {
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},
"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","name":"web","operation":"CREATE","userInfo":{"username":"dev"},
"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop"},"spec":{"containers":[{"name":"app","image":%q}]}}}}`, image)
}
