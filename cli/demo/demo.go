package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/muster-sec/muster/cli/rig"
	"github.com/muster-sec/muster/core/httpapi/api"
)

// demo is one showing: what runs and where.
type demo struct {
	dir, bin  string
	rig       *rig.Rig
	registry  *registry
	hub, edge *rig.Cluster
}

type step struct {
	title string
	run   func(context.Context) error
}

func (d *demo) steps() []step {
	return []step{
		{"A registry with sample images, and two clusters that know nothing of each other", d.start},
		{"hub becomes the primary, edge joins with a token", d.federate},
		{"hub scans a federated registry, once", d.scan},
		{"A CI pipeline posts what it found in an image it is still building", d.submit},
		{"One rule for the whole federation", d.addRule},
		{"What edge knows, although it scanned nothing", d.askEdge},
		{"edge decides by itself", d.decide},
	}
}

func (d *demo) start(ctx context.Context) error {
	db, err := writeDatabase(d.dir)
	if err != nil {
		return err
	}
	if d.registry, err = startRegistry(); err != nil {
		return err
	}
	names, err := d.registry.fill()
	if err != nil {
		return err
	}
	if d.hub, err = d.rig.Start(ctx, "hub", "--vulndb", db); err != nil {
		return err
	}
	if d.edge, err = d.rig.Start(ctx, "edge", "--vulndb", db); err != nil {
		return err
	}
	for _, c := range []*rig.Cluster{d.hub, d.edge} {
		if err := c.Login(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("   registry  %s (%s)\n   hub       %s\n   edge      %s\n",
		d.registry.url(), strings.Join(names, ", "), d.hub.URL(), d.edge.URL())
	return nil
}

func (d *demo) federate(ctx context.Context) error {
	if err := d.show(ctx, d.hub, "", "promote", "--name", "hub", "--advertise", d.hub.Fed); err != nil {
		return err
	}
	token, err := d.quiet(ctx, d.hub, "token", "create")
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path("token"), token, 0o600); err != nil {
		return err
	}
	fmt.Printf("$ %s token create > %s\n", d.command(d.hub), d.path("token"))
	return d.show(ctx, d.edge, "token", "join", "--token-file", "-")
}

func (d *demo) scan(ctx context.Context) error {
	err := d.show(ctx, d.hub, "", "registry", "add", "fed.demo", "--type", "oci", "--url", d.registry.url(),
		"--filter", "shop/*", "--schedule", "@every 10m")
	if err != nil {
		return err
	}
	return d.show(ctx, d.hub, "", "registry", "scan", "fed.demo", "--wait")
}

func (d *demo) submit(ctx context.Context) error {
	digest, err := writeReport(d.path("report.json"))
	if err != nil {
		return err
	}
	if err := d.show(ctx, d.hub, "", "cluster", "settings", "--sync-ci-results"); err != nil {
		return err
	}
	return d.show(ctx, d.hub, "", "submit", d.path("report.json"), "--format", "trivy",
		"--job", "nightly", "--source", "jenkins", "--digest", digest)
}

func (d *demo) addRule(ctx context.Context) error {
	if err := os.WriteFile(d.path("rule.yaml"), []byte(ruleYAML), 0o600); err != nil {
		return err
	}
	fmt.Printf("$ cat %s\n%s", d.path("rule.yaml"), ruleYAML)
	return d.show(ctx, d.hub, "", "rule", "apply", "-f", d.path("rule.yaml"))
}

func (d *demo) askEdge(ctx context.Context) error {
	if err := d.awaitSync(ctx); err != nil {
		return err
	}
	if err := d.show(ctx, d.edge, "", "cluster", "list"); err != nil {
		return err
	}
	return d.show(ctx, d.edge, "", "image", "list")
}

func (d *demo) decide(ctx context.Context) error {
	for _, pod := range []struct {
		file, image string
		allowed     bool
	}{
		{"old.json", d.registry.addr + "/shop/web:1.4.2", false},
		{"new.json", d.registry.addr + "/shop/web:1.5.0", true},
	} {
		if err := os.WriteFile(d.path(pod.file), review(pod.image), 0o600); err != nil {
			return err
		}
		fmt.Printf("\n   a Pod with image %s:\n", pod.image)
		err := d.show(ctx, d.edge, pod.file, "admission", "review")
		var code exitCode
		switch denied := errors.As(err, &code) && code == 1; {
		case err != nil && !denied:
			return err
		case denied == pod.allowed:
			return fmt.Errorf("the decision about %s is not the expected one", pod.image)
		}
	}
	return nil
}

// awaitSync waits until the managed cluster has applied all that the primary has.
func (d *demo) awaitSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := d.quiet(ctx, d.hub, "cluster", "list", "--output", "json")
		if err != nil {
			return err
		}
		var clusters api.List[api.Cluster]
		if err := json.Unmarshal(out, &clusters); err != nil {
			return fmt.Errorf("read the clusters: %w", err)
		}
		for _, c := range clusters.Items {
			if c.Role == "managed" && c.Status == "synced" && c.Lag == 0 {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("edge is not in sync after a minute: %s", out)
		}
	}
}

// exitCode is how a shown command ended, when not with 0.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// show runs a command, printing it and what it prints. input names a file of
// the demo's folder, or nothing.
func (d *demo) show(ctx context.Context, c *rig.Cluster, input string, args ...string) error {
	line := d.command(c) + " " + strings.Join(quoted(args), " ")
	var stdin io.Reader
	if input != "" {
		body, err := os.ReadFile(d.path(input))
		if err != nil {
			return err
		}
		stdin = bytes.NewReader(body)
		line += " < " + d.path(input)
	}
	fmt.Println("$", line)
	res, err := d.rig.Run(ctx, stdin, append([]string{"--server", c.URL()}, args...)...)
	if err != nil {
		return err
	}
	fmt.Print(res.Stdout, res.Stderr)
	if res.Code != 0 {
		return exitCode(res.Code)
	}
	return nil
}

func (d *demo) quiet(ctx context.Context, c *rig.Cluster, args ...string) ([]byte, error) {
	res, err := d.rig.Run(ctx, nil, append([]string{"--server", c.URL()}, args...)...)
	if err != nil {
		return nil, err
	}
	if res.Code != 0 {
		return nil, fmt.Errorf("muster %s: %w: %s", strings.Join(args, " "), exitCode(res.Code), res.Stderr)
	}
	return []byte(res.Stdout), nil
}

func (d *demo) command(c *rig.Cluster) string { return d.bin + " --server " + c.URL() }

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

func (d *demo) printWhere() {
	fmt.Printf(`
Everything is still running, in %s:
   hub   %s   log %s
   edge  %s   log %s
Try it in another terminal:
   export XDG_CONFIG_HOME=%s
   %s cluster list
   %s image list
Ctrl-C stops everything and removes the folder.
`, d.dir, d.hub.URL(), d.hub.Log, d.edge.URL(), d.edge.Log, d.rig.ConfigHome(), d.command(d.hub), d.command(d.edge))
}

// cleanUp stops what runs and removes the folder.
func (d *demo) cleanUp() error {
	var errs []error
	for _, c := range []*rig.Cluster{d.edge, d.hub} {
		if c != nil {
			errs = append(errs, c.Stop())
		}
	}
	if d.registry != nil {
		errs = append(errs, d.registry.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// quoted gives arguments as a shell would need them.
func quoted(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if strings.ContainsAny(a, " *$") {
			out[i] = "'" + a + "'"
		}
	}
	return out
}
