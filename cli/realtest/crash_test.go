//go:build real

package realtest

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// TestKillPrimaryDuringScan ends the primary without warning in the middle of
// a run: after a restart the run finishes by itself, the equation holds, and a
// CI result that was acknowledged before is still there, with its verdict.
func TestKillPrimaryDuringScan(t *testing.T) {
	m := prepare(t)
	reg := startRegistry(t, credentials{})
	m.push(t, reg, credentials{})
	slow := newGate(t, reg.addr, 0, 0)
	w := newWorld(t)
	hub := w.start("hub", append(m.databases(), "--scan-workers", "1")...)
	w.federate(hub)
	report, digest := w.Dir+"/report.json", "sha256:"+strings.Repeat("c", 64)
	write(t, report, trivyDocument)
	w.muster(hub, 0, "", "submit", report, "--format", "trivy", "--job", "nightly", "--digest", digest)
	verdict := w.muster(hub, 0, "", "image", "verdict", digest, "--output", "json")

	w.muster(hub, 0, "", "registry", "add", "fed.prod", "--type", "oci", "--url", "http://"+slow.Addr)
	w.muster(hub, 0, "", "registry", "scan", "fed.prod")
	var before *api.Run
	await(t, time.Minute, "the run has scanned something and is held", func() bool {
		before = ask[api.Registry](w, hub, "registry", "show", "fed.prod").LastRun
		scanned := before != nil && before.Scanned > 0
		if slow.waits() && !scanned {
			slow.allow(m.step)
		}
		return slow.waits() && scanned
	})
	if err := hub.Kill(); err != nil {
		t.Fatal(err)
	}
	if before.State != "scanning" && before.State != "listing" {
		t.Fatalf("the run is %s: the kill strikes nothing", before.State)
	}
	slow.open()
	if err := hub.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var after *api.Run
	await(t, 5*time.Minute, "the run finishes after the restart", func() bool {
		after = ask[api.Registry](w, hub, "registry", "show", "fed.prod").LastRun
		return after.State == "done"
	})
	checkRun(t, *after)
	if after.ID != before.ID || after.Scanned <= before.Scanned || after.Failed != 0 {
		t.Errorf("run after the restart %+v, before %+v", *after, *before)
	}
	if results := list[api.CIResult](w, hub, "result", "list"); len(results) != 1 {
		t.Errorf("%d CI results after the kill, want the one that was acknowledged", len(results))
	}
	if diff := cmp.Diff(verdict, w.muster(hub, 0, "", "image", "verdict", digest, "--output", "json")); diff != "" {
		t.Errorf("verdict of the acknowledged result (-before +after):\n%s", diff)
	}
}

// TestKillMemberDuringFirstSync ends the managed cluster without warning while
// it takes in the federation's results: after a restart it resumes and is equal.
func TestKillMemberDuringFirstSync(t *testing.T) {
	m := prepare(t)
	reg := startRegistry(t, credentials{})
	m.push(t, reg, credentials{})
	w := newWorld(t)
	hub := w.start("hub", m.databases()...)
	slow := newGate(t, hub.Fed, 1, 0) // the first connection enrols
	w.muster(hub, 0, "", "promote", "--name", hub.Name, "--advertise", slow.Addr)
	w.muster(hub, 0, "", "registry", "add", "fed.prod", "--type", "oci", "--url", reg.url())
	w.muster(hub, 0, "", "registry", "scan", "fed.prod", "--wait")

	edge := w.start("edge", m.databases()...)
	token := ask[api.Token](w, hub, "token", "create").Token
	w.muster(edge, 0, token, "join", "--token-file", "-")
	var torn api.Cluster
	await(t, time.Minute, "the first sync is half done", func() bool {
		torn = ask[api.Cluster](w, hub, "cluster", "show", edge.Name)
		if slow.waits() && torn.Applied == 0 {
			slow.allow(2 << 10)
		}
		return torn.Applied > 0
	})
	if torn.Lag == 0 {
		t.Fatalf("everything was applied at once (%d of %d): the kill strikes nothing", torn.Applied, torn.Head)
	}
	if err := edge.Kill(); err != nil {
		t.Fatal(err)
	}
	slow.open()
	if err := edge.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.synced(hub)
	if diff := cmp.Diff(w.images(hub), w.images(edge), cmpopts.IgnoreFields(api.Image{}, "Origin")); diff != "" {
		t.Errorf("images (-primary +managed):\n%s", diff)
	}
}

// TestRescanAfterDBChangePullsNothing swaps the vulnerability database while
// the registry is gone: verdicts change all the same, on both clusters.
func TestRescanAfterDBChangePullsNothing(t *testing.T) {
	m := madeByCode(t)
	reg := startRegistry(t, credentials{username: "scanner", password: "s3cret"})
	m.push(t, reg, credentials{username: "scanner", password: "s3cret"})
	w := newWorld(t)
	hub := w.start("hub", m.databases()...)
	edge := w.start("edge", m.databases()...)
	w.federate(hub, edge)
	password := w.Dir + "/registry-password"
	write(t, password, "s3cret\n")
	w.muster(hub, 0, "", "registry", "add", "fed.prod", "--type", "oci", "--url", reg.url(), "--username", "scanner", "--password-file", password)
	w.muster(hub, 0, "", "registry", "scan", "fed.prod", "--wait")
	w.synced(hub)
	name := reg.addr + "/shop/clock:0.3"
	if c := w.images(edge)[name].Counts; c.Critical != 0 {
		t.Fatalf("%s has %+v before the change", name, c)
	}

	reg.stop()
	addAdvisory(t, m.db)
	await(t, time.Minute, "the new finding is on both clusters", func() bool {
		return w.images(hub)[name].Counts.Critical == 1 && w.images(edge)[name].Counts.Critical == 1
	})
	if log, err := os.ReadFile(hub.Log); err != nil || len(log) == 0 {
		t.Errorf("the primary logged nothing (%v)", err)
	}
}
