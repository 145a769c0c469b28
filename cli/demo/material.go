package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// builtAt is when the sample images say they were built.
func builtAt() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// registry is a container registry in memory, on loopback.
type registry struct {
	addr   string
	server *http.Server
}

func startRegistry() (*registry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &registry{
		addr: listener.Addr().String(),
		server: &http.Server{
			Handler:           memory.New(memory.Logger(log.New(io.Discard, "", 0))),
			ReadHeaderTimeout: 10 * time.Second,
		},
	}
	go func() {
		if err := r.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "demo: the sample registry ended:", err)
		}
	}()
	return r, nil
}

func (r *registry) url() string { return "http://" + r.addr }

func (r *registry) stop() error { return r.server.Close() }

// fill pushes the sample images and gives their names.
func (r *registry) fill() ([]string, error) {
	catalog, err := sampleimage.Catalog(builtAt())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range catalog {
		ref, err := name.ParseReference(r.addr+"/"+c.Repository+":"+c.Tag, name.Insecure)
		if err != nil {
			return nil, err
		}
		if err := remote.Write(ref, c.Image); err != nil {
			return nil, fmt.Errorf("push %s: %w", ref, err)
		}
		names = append(names, c.Repository+":"+c.Tag)
	}
	return names, nil
}

// writeDatabase writes a vulnerability database that knows the sample images'
// packages and gives its path.
func writeDatabase(dir string) (string, error) {
	return build.Write(dir, sampleimage.Advisories(time.Now()))
}

// writeReport writes what a pipeline's Trivy would report about an image that
// is not in the registry yet, and gives the image's digest.
func writeReport(path string) (digest string, err error) {
	image, err := sampleimage.Build(sampleimage.Spec{
		Created: builtAt(), User: "app",
		Layers: []sampleimage.Layer{sampleimage.Alpine("3.17.3", sampleimage.Package{Name: "zlib", Version: "1.2.12-r1"})},
	})
	if err != nil {
		return "", err
	}
	hash, err := image.Digest()
	if err != nil {
		return "", err
	}
	report := map[string]any{
		"SchemaVersion": 2,
		"Trivy":         map[string]any{"Version": "0.74.0"},
		"CreatedAt":     time.Now().UTC(),
		"ArtifactName":  "registry.example/shop/checkout:1.0-rc1",
		"ArtifactType":  "container_image",
		"Metadata":      map[string]any{"OS": map[string]any{"Family": "alpine", "Name": "3.17.3"}},
		"Results": []any{map[string]any{
			"Target": "registry.example/shop/checkout:1.0-rc1 (alpine 3.17.3)", "Class": "os-pkgs", "Type": "alpine",
			"Packages": []any{map[string]any{"ID": "zlib@1.2.12-r1", "Name": "zlib", "Version": "1.2.12-r1"}},
			"Vulnerabilities": []any{map[string]any{
				"VulnerabilityID": "CVE-2022-37434", "PkgName": "zlib", "InstalledVersion": "1.2.12-r1", "FixedVersion": "1.2.12-r2",
				"Status": "fixed", "Severity": "CRITICAL", "Title": "zlib: heap buffer over-read in inflate",
			}},
		}},
	}
	body, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return "", err
	}
	return hash.String(), os.WriteFile(path, body, 0o600)
}

// ruleYAML is the federated rule of the demo.
const ruleYAML = `cfg_type: federal
rule_type: deny
rule_mode: protect
comment: nothing with a critical vulnerability
criteria:
- {name: cveCriticalCount, op: ">=", value: "1"}
`

// review is an AdmissionReview of a new Pod with one container.
func review(image string) []byte {
	return fmt.Appendf(nil, `{
  "apiVersion": "admission.k8s.io/v1",
  "kind": "AdmissionReview",
  "request": {
    "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
    "kind": {"group": "", "version": "v1", "kind": "Pod"},
    "resource": {"group": "", "version": "v1", "resource": "pods"},
    "namespace": "shop", "name": "web", "operation": "CREATE",
    "userInfo": {"username": "dev"},
    "object": {
      "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
      "spec": {"containers": [{"name": "app", "image": %q}]}
    }
  }
}
`, image)
}
