package sbom

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

// component is the part of a CycloneDX component that names a package
// (https://cyclonedx.org/docs/1.6/json/#components).
type component struct {
	Type       string `json:"type"`
	Group      string `json:"group"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	PURL       string `json:"purl"`
	Properties []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"properties"`
	Evidence *struct {
		Occurrences []struct {
			Location string `json:"location"`
		} `json:"occurrences"`
	} `json:"evidence"`
	Components []json.RawMessage `json:"components"`
}

// metadata reads the subject, and the components that it has itself.
func (in *reader) metadata() error {
	var m struct {
		Component *component `json:"component"`
	}
	if err := in.value(&m); err != nil || m.Component == nil {
		return err
	}
	root := *m.Component
	in.cyclonedx.Name, in.cyclonedx.Digest = root.Name, digestOf(root.PURL)
	if in.cyclonedx.Digest != "" {
		root.PURL = ""
	}
	return in.cyclonedx.component(root, 0)
}

// component reads one item of the list of components.
func (in *reader) component() error {
	var c component
	if err := in.value(&c); err != nil {
		return err
	}
	return in.cyclonedx.component(c, 0)
}

func (d *Document) component(c component, depth int) error {
	if depth > maxDepth {
		return errors.New("components are nested too deeply")
	}
	switch c.Type {
	case "operating-system":
		d.OS = inventory.OS{Family: purl.Family(c.Name), Version: c.Version}
	case "container":
	default:
		name := c.Name
		if c.Group != "" {
			name = c.Group + "/" + c.Name
		}
		told := told(c)
		path := cmp.Or(told["muster:path"], told["aquasecurity:trivy:FilePath"], told["syft:location:0:path"], occurrence(c))
		if err := d.add(name, c.PURL, path, func(p *inventory.Package) { sourceFrom(told, p) }); err != nil {
			return err
		}
	}
	for _, raw := range c.Components {
		var inner component
		if err := json.Unmarshal(raw, &inner); err != nil {
			return err
		}
		if err := d.component(inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// told are the properties of a component by their names.
func told(c component) map[string]string {
	result := map[string]string{}
	for _, p := range c.Properties {
		result[p.Name] = p.Value
	}
	return result
}

func occurrence(c component) string {
	if c.Evidence == nil {
		return ""
	}
	for _, o := range c.Evidence.Occurrences {
		return o.Location
	}
	return ""
}

// sourceFrom reads the source package, which package URLs rarely tell and
// advisories speak of, from the properties that tools write.
func sourceFrom(told map[string]string, p *inventory.Package) {
	p.SourceName = cmp.Or(p.SourceName, told["muster:source_name"], told["aquasecurity:trivy:SrcName"], told["syft:metadata:source"], told["syft:metadata:originPackage"])
	version := told["aquasecurity:trivy:SrcVersion"]
	if release := told["aquasecurity:trivy:SrcRelease"]; release != "" && version != "" {
		version += "-" + release
	}
	if epoch := told["aquasecurity:trivy:SrcEpoch"]; epoch != "" && epoch != "0" && version != "" {
		version = epoch + ":" + version
	}
	p.SourceVersion = cmp.Or(p.SourceVersion, told["muster:source_version"], version, told["syft:metadata:sourceVersion"])
}

// digestOf finds the manifest's digest in the package URL of an image.
func digestOf(packageURL string) string {
	rest, ok := strings.CutPrefix(packageURL, "pkg:oci/")
	if !ok {
		return ""
	}
	_, version, _ := strings.Cut(rest, "@")
	version, _, _ = strings.Cut(version, "?")
	version = strings.ReplaceAll(strings.ReplaceAll(version, "%3A", ":"), "%3a", ":")
	if !strings.HasPrefix(version, "sha256:") {
		return ""
	}
	return version
}
