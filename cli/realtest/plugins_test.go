//go:build real

package realtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// examples is where the plugins of outside authors lie.
const examples = "../../plugins/examples"

// declared is a plugin as the configuration names it.
type declared struct {
	name, kind, path string
	args             []string
}

func (d declared) yaml(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	args, err := json.Marshal(d.args)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{name: %s, kind: %s, path: %q, sha256: %s, args: %s, limits: {memory: 256MiB}}",
		d.name, d.kind, d.path, hex.EncodeToString(sum[:]), args)
}

// run runs a command that must succeed.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// buildFolderPlugin builds the registry plugin from its own module.
func buildFolderPlugin(t *testing.T, root string) declared {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registry-folder")
	dir := filepath.Join(examples, "registry-folder")
	run(t, dir, "go", "test", ".") // no test of this module runs those of another
	run(t, dir, "go", "build", "-o", path, ".")
	return declared{"folder", "registry", path, []string{"--root", root}}
}

// buildPythonPlugin packs the ingest plugin into one file.
func buildPythonPlugin(t *testing.T) declared {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-I", "-c", "import grpc, google.protobuf, cryptography").Run(); err != nil {
		skip(t, "Python has no gRPC (apt-get install python3-grpcio python3-cryptography)")
	}
	path := filepath.Join(t.TempDir(), "anchore")
	run(t, filepath.Join(examples, "ingest-python"), "./build.sh", path)
	return declared{"anchore", "ingest", path, nil}
}

// conforms runs muster plugin test, as an author would.
func conforms(t *testing.T, w *world, d declared, flags ...string) {
	t.Helper()
	args := append([]string{"plugin", "test", d.path, "--kind", d.kind, "--output", "json"}, flags...)
	res, err := w.Run(t.Context(), nil, append(append(args, "--"), d.args...)...)
	if err != nil || res.Code != 0 {
		t.Fatalf("%v, exit %d\n%s%s", err, res.Code, res.Stdout, res.Stderr)
	}
	var report struct {
		Name   string
		Passed bool
		Checks []struct{ Name, Outcome, Reason string }
	}
	if err := json.Unmarshal([]byte(res.Stdout), &report); err != nil {
		t.Fatalf("%v in %s", err, res.Stdout)
	}
	if report.Name != d.name || !report.Passed || len(report.Checks) < 10 {
		t.Errorf("report: %+v", report)
	}
}

// TestRegistryPluginOfAnOutsider: built from its own module, it passes the
// suite, and a daemon scans a real registry with it.
func TestRegistryPluginOfAnOutsider(t *testing.T) {
	reg := startRegistry(t, credentials{})
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	pushImage(t, reg.reference(t, "team/app:1.0"), image, credentials{})
	plugin := buildFolderPlugin(t, reg.data)
	w := newWorld(t)
	config := filepath.Join(t.TempDir(), "config.json")
	write(t, config, fmt.Sprintf(`{"url": %q}`, reg.url()))
	conforms(t, w, plugin, "--config", config)

	c := w.start("hub", "--plugins", "["+plugin.yaml(t)+"]")
	w.muster(c, 0, "", "registry", "add", "shop", "--type", "folder", "--url", reg.url())
	w.muster(c, 0, "", "registry", "test", "shop")
	w.muster(c, 0, "", "registry", "scan", "shop", "--wait")
	if _, ok := w.images(c)[reg.addr+"/team/app:1.0"]; !ok {
		t.Errorf("images: %v", w.images(c))
	}
	for _, p := range list[api.Plugin](w, c, "plugin", "list") {
		if p.Name == plugin.name && (p.State != "ready" || p.Builtin || p.Version != "1.0.0") {
			t.Errorf("status: %+v", p)
		}
	}
}

// TestIngestPluginInPython: handshake, mutual TLS and contract without any Go.
func TestIngestPluginInPython(t *testing.T) {
	plugin := buildPythonPlugin(t)
	w := newWorld(t)
	document := filepath.Join(examples, "ingest-python", "sample.json")
	conforms(t, w, plugin, "--document", document)

	c := w.start("hub", "--plugins", "["+plugin.yaml(t)+"]")
	out := w.muster(c, 0, "", "submit", document, "--job", "nightly", "--output", "json")
	var receipt api.Receipt
	if err := json.Unmarshal([]byte(out), &receipt); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if receipt.Tool != "anchore" || receipt.Counts.Critical != 1 || receipt.Counts.High != 1 {
		t.Errorf("receipt: %+v", receipt)
	}
}

// TestGuide follows docs/plugins.md literally, in an empty folder: it writes the
// files that the page shows and types its commands, in order.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../../docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs(newWorld(t).Bin)
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -eu\n")
	blocks := 0
	for _, block := range regexp.MustCompile("(?ms)^```(sh|go)( [a-z_.]+)?\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		blocks++
		switch {
		case block[1] == "go":
			fmt.Fprintf(&script, "cat >%s <<'END OF FILE'\n%sEND OF FILE\n", strings.TrimSpace(block[2]), block[3])
		case strings.Contains(block[3], "apt-get"):
			buildPythonPlugin(t) // is it installed?
			_, rest, _ := strings.Cut(block[3], "\n")
			script.WriteString(rest)
		default:
			script.WriteString(block[3])
		}
	}
	if blocks != 6 {
		t.Errorf("the page has %d blocks to follow: the test does not see it", blocks)
	}
	tools := t.TempDir()
	if err := os.Symlink(bin, filepath.Join(tools, "muster")); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cmd := exec.Command("sh")
	cmd.Dir = folder
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Env = append(os.Environ(), "MUSTER_SRC="+source, "PATH="+tools+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "ok       leaves no processes behind"); n != 2 {
		t.Errorf("%d reports passed:\n%s", n, out)
	}
	scanWithGuidesPlugin(t, filepath.Join(folder, "listfile")) // where the page goes
}

// scanWithGuidesPlugin does what the page says comes then: it declares the
// plugin and scans a registry with it that wants a password.
func scanWithGuidesPlugin(t *testing.T, folder string) {
	login := credentials{username: "me", password: "correct horse"}
	reg := startRegistry(t, login)
	for _, tag := range []string{"1.0", "1.1"} {
		image, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		pushImage(t, reg.reference(t, "team/app:"+tag), image, login)
	}
	list, password := filepath.Join(folder, "images.txt"), filepath.Join(folder, "password")
	write(t, list, "team/app:1.0\nteam/app:1.1\n")
	write(t, password, login.password)
	plugin := declared{"listfile", "registry", filepath.Join(folder, "listfile"), []string{"--file", list}}

	w := newWorld(t)
	c := w.start("hub", "--plugins", "["+plugin.yaml(t)+"]")
	w.muster(c, 0, "", "registry", "add", "shop", "--type", "listfile", "--url", reg.url(), "--username", login.username, "--password-file", password)
	w.muster(c, 0, "", "registry", "scan", "shop", "--wait")
	for _, tag := range []string{"1.0", "1.1"} {
		if _, ok := w.images(c)[reg.addr+"/team/app:"+tag]; !ok {
			t.Errorf("images: %v", w.images(c))
		}
	}
}
