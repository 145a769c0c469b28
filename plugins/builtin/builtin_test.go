package builtin

import (
	"slices"
	"strings"
	"testing"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

// TestList: the list is in the order of kinds, names nothing twice, and every
// entry describes itself as the one it is, with a configuration schema that marks
// its secrets.
func TestList(t *testing.T) {
	t.Parallel()
	before, seen := 0, map[string]bool{}
	for _, p := range Plugins() {
		plugin := p.New("test")
		if plugin.Kind != p.Kind || plugin.Name != p.Name {
			t.Errorf("%s %s is %s %s", p.Kind, p.Name, plugin.Kind, plugin.Name)
		}
		at, name := slices.Index(sdk.Kinds(), p.Kind), string(p.Kind)+" "+p.Name
		if at < before || seen[name] {
			t.Errorf("%s is not where it belongs in the list", name)
		}
		before, seen[name] = at, true
		conn, err := sdktest.Connect(plugin)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if r := sdktest.Check(t.Context(), conn, sdktest.Options{}); !r.OK() {
			t.Error(r)
		}
	}
}

// TestRegistriesTakeTheHostsSettings: what the host puts into the configuration
// of every registry, every registry plugin takes or refuses in words of its own.
func TestRegistriesTakeTheHostsSettings(t *testing.T) {
	t.Parallel()
	settings := sdk.RegistrySettings{
		URL: "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com", Username: "me", Password: "secret", Repositories: []string{"a/b"},
	}
	for _, p := range Plugins() {
		if p.Kind != sdk.KindRegistry {
			continue
		}
		if p.Name == "dockerhub" {
			settings.URL = "https://docker.io"
		} else {
			settings.URL = "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com"
		}
		cfg, err := settings.Config()
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for repo, err := range p.New("test").Registry.Repositories(t.Context(), cfg) {
			if err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
			listed = append(listed, repo)
		}
		if !slices.Equal(listed, []string{"a/b"}) {
			t.Errorf("%s lists %q", p.Name, listed)
		}
	}
}

// TestRecognize: of the ingest plugins exactly one takes each document.
func TestRecognize(t *testing.T) {
	t.Parallel()
	documents := map[string]string{
		"trivy":     `{"SchemaVersion":2,"Trivy":{"Version":"0.74.0"},"ArtifactName":"a","ArtifactType":"container_image","Results":[]}`,
		"grype":     `{"matches":[{"vulnerability":{"id":"CVE-1"},"relatedVulnerabilities":[],"artifact":{"name":"x"}}],"descriptor":{"name":"grype"}}`,
		"sarif":     `{"version":"2.1.0","$schema":"https://json.schemastore.org/sarif-2.1.0.json","runs":[{"tool":{"driver":{"name":"Trivy"}},"results":[]}]}`,
		"cyclonedx": `{"$schema":"http://cyclonedx.org/schema/bom-1.6.schema.json","bomFormat":"CycloneDX","specVersion":"1.6","version":1,"metadata":{},"components":[]}`,
		"neuvector": `{"result":{"Version":"3.5","CVEDBCreateTime":"2026","Namespace":"alpine:3.12","Vuls":[]}}`,
		"":          `{"spdxVersion":"SPDX-2.3","packages":[]}`,
	}
	for want, doc := range documents {
		for _, text := range []string{doc, "\xEF\xBB\xBF \n" + doc, strings.ReplaceAll(doc, ",", " ,\n\t")} {
			var takers []string
			for _, p := range Plugins() {
				if p.Kind != sdk.KindIngest {
					continue
				}
				format, err := p.New("test").Ingester.Recognize(t.Context(), []byte(text))
				if err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
				if format != "" {
					takers = append(takers, p.Name)
				}
			}
			if strings.Join(takers, " ") != want {
				t.Errorf("a document of %q is taken by %q", want, takers)
			}
		}
	}
}

func TestServeUnknown(t *testing.T) {
	t.Parallel()
	if err := Serve(sdk.KindRegistry, "none", "test"); err == nil || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("a plugin that is not there: %v", err)
	}
}
