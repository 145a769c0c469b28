package nuget

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// parseLock reads a packages.lock.json
// (https://learn.microsoft.com/nuget/consume-packages/package-references-in-project-files#locking-dependencies):
// packages by name for each framework, projects of one's own among them.
func parseLock(body io.Reader) ([]inventory.Package, error) {
	text, err := limit.ReadAll(body, "packages_lock_bytes", maxBytes)
	if err != nil {
		return nil, fmt.Errorf("nuget: read packages.lock.json: %w", err)
	}
	var doc struct {
		Frameworks map[string]map[string]struct {
			Type     string `json:"type"`
			Resolved string `json:"resolved"`
		} `json:"dependencies"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("nuget: parse packages.lock.json: %w", err)
	}
	var packages []inventory.Package
	for _, framework := range doc.Frameworks {
		for name, p := range framework {
			if p.Type != "Project" {
				packages = append(packages, inventory.Package{Name: name, Version: p.Resolved})
			}
		}
	}
	return packages, nil
}

// parseConfig reads a packages.config
// (https://learn.microsoft.com/nuget/reference/packages-config) without what is
// needed for building only.
func parseConfig(body io.Reader) ([]inventory.Package, error) {
	var doc struct {
		XMLName  xml.Name `xml:"packages"`
		Packages []struct {
			ID      string `xml:"id,attr"`
			Version string `xml:"version,attr"`
			Build   bool   `xml:"developmentDependency,attr"`
		} `xml:"package"`
	}
	if err := decodeXML(body, "packages.config", &doc); err != nil {
		return nil, err
	}
	var packages []inventory.Package
	for _, p := range doc.Packages {
		if p.ID != "" && !p.Build {
			packages = append(packages, inventory.Package{Name: p.ID, Version: p.Version})
		}
	}
	return packages, nil
}

// reference pins a package; Update is how older projects name it.
type reference struct {
	Include string `xml:"Include,attr"`
	Update  string `xml:"Update,attr"`
	Version string `xml:"Version,attr"`
}

// parseProps reads a Directory.Packages.props or another *Packages.props
// (https://learn.microsoft.com/nuget/consume-packages/central-package-management).
// What a variable of the build names is not known.
func parseProps(body io.Reader) ([]inventory.Package, error) {
	var doc struct {
		XMLName xml.Name `xml:"Project"`
		Groups  []struct {
			References []reference `xml:"PackageReference"`
			Versions   []reference `xml:"PackageVersion"`
		} `xml:"ItemGroup"`
	}
	if err := decodeXML(body, "Packages.props", &doc); err != nil {
		return nil, err
	}
	var packages []inventory.Package
	for _, group := range doc.Groups {
		for _, list := range [][]reference{group.References, group.Versions} {
			for _, r := range list {
				name := r.Include
				if name == "" {
					name = r.Update
				}
				name, version := strings.TrimSpace(name), strings.TrimSpace(r.Version)
				if name != "" && version != "" && !variable(name) && !variable(version) {
					packages = append(packages, inventory.Package{Name: name, Version: version})
				}
			}
		}
	}
	return packages, nil
}

func variable(text string) bool { return strings.HasPrefix(text, "$(") && strings.HasSuffix(text, ")") }

// decodeXML reads one element, as deeply nested as encoding/xml allows.
func decodeXML(body io.Reader, name string, into any) error {
	if err := xml.NewDecoder(limit.Reader(body, "nuget_xml_bytes", maxBytes)).Decode(into); err != nil {
		return fmt.Errorf("nuget: parse %s: %w", name, err)
	}
	return nil
}
