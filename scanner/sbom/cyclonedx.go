package sbom

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

func readCycloneDX(raw []byte) (Document, error) {
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(raw), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return Document{}, fmt.Errorf("%w: CycloneDX: %w", ErrMalformed, err)
	}
	d := Document{Format: "cyclonedx", Version: bom.SpecVersion.String()}
	if bom.Metadata != nil && bom.Metadata.Component != nil {
		root := *bom.Metadata.Component
		d.Name, d.Digest = root.Name, digestOf(root.PackageURL)
		if err := d.components(list(root.Components), 0); err != nil {
			return Document{}, err
		}
	}
	return d, d.components(list(bom.Components), 0)
}

func (d *Document) components(components []cdx.Component, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: components are nested too deeply", ErrMalformed)
	}
	for _, c := range components {
		switch c.Type {
		case cdx.ComponentTypeOS:
			d.OS = inventory.OS{Family: purl.Family(c.Name), Version: c.Version}
		case cdx.ComponentTypeContainer:
		default:
			told := told(c)
			path := cmp.Or(told["muster:path"], told["aquasecurity:trivy:FilePath"], told["syft:location:0:path"], occurrence(c))
			d.add(c.Name, c.PackageURL, path, func(p *inventory.Package) { sourceFrom(told, p) })
		}
		if err := d.components(list(c.Components), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// told are the properties of a component by their names.
func told(c cdx.Component) map[string]string {
	result := map[string]string{}
	for _, p := range list(c.Properties) {
		result[p.Name] = p.Value
	}
	return result
}

func occurrence(c cdx.Component) string {
	if c.Evidence == nil {
		return ""
	}
	for _, o := range list(c.Evidence.Occurrences) {
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

func list[T any](p *[]T) []T {
	if p == nil {
		return nil
	}
	return *p
}
