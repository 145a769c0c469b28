package nuget

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// parseLock reads packages.lock.json: for each target framework, what every
// package was resolved to. Projects are the application's own.
func parseLock(body io.Reader) ([]inventory.Package, error) {
	text, err := limit.ReadAll(body, "packages_lock_bytes", maxBytes)
	if err != nil {
		return nil, fmt.Errorf("nuget: read packages.lock.json: %w", err)
	}
	var lock struct {
		Dependencies map[string]map[string]struct {
			Type     string `json:"type"`
			Resolved string `json:"resolved"`
		} `json:"dependencies"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("nuget: parse packages.lock.json: %w", err)
	}
	var packages []inventory.Package
	for _, framework := range lock.Dependencies {
		for name, p := range framework {
			if p.Type != "Project" {
				packages = append(packages, inventory.Package{Name: name, Version: p.Resolved})
			}
		}
	}
	return packages, nil
}

// parseConfig reads packages.config, the older form, without what only
// development needs.
func parseConfig(body io.Reader) ([]inventory.Package, error) {
	var config struct {
		XMLName  xml.Name `xml:"packages"`
		Packages []struct {
			ID      string `xml:"id,attr"`
			Version string `xml:"version,attr"`
			Dev     bool   `xml:"developmentDependency,attr"`
		} `xml:"package"`
	}
	if err := decodeXML(body, "packages.config", &config); err != nil {
		return nil, err
	}
	var packages []inventory.Package
	for _, p := range config.Packages {
		if p.ID != "" && !p.Dev {
			packages = append(packages, inventory.Package{Name: p.ID, Version: p.Version})
		}
	}
	return packages, nil
}

// parseProps reads *packages.props, in which a solution keeps versions in one
// place. What holds a variable is not known.
func parseProps(body io.Reader) ([]inventory.Package, error) {
	type item struct {
		Include string `xml:"Include,attr"`
		Update  string `xml:"Update,attr"`
		Version string `xml:"Version,attr"`
	}
	var project struct {
		XMLName xml.Name `xml:"Project"`
		Groups  []struct {
			References []item `xml:"PackageReference"`
			Versions   []item `xml:"PackageVersion"`
		} `xml:"ItemGroup"`
	}
	if err := decodeXML(body, "packages.props", &project); err != nil {
		return nil, err
	}
	var packages []inventory.Package
	for _, g := range project.Groups {
		for _, i := range append(g.References, g.Versions...) {
			name, version := strings.TrimSpace(i.Include), strings.TrimSpace(i.Version)
			if i.Include == "" {
				name = strings.TrimSpace(i.Update)
			}
			if name != "" && version != "" && !variable(name) && !variable(version) {
				packages = append(packages, inventory.Package{Name: name, Version: version})
			}
		}
	}
	return packages, nil
}

func variable(text string) bool { return strings.HasPrefix(text, "$(") && strings.HasSuffix(text, ")") }

// decodeXML reads a document of bounded size. Entities are not expanded beyond
// those of the language, so size bounds the work.
func decodeXML(body io.Reader, what string, into any) error {
	text, err := limit.ReadAll(body, "nuget_xml_bytes", maxBytes)
	if err != nil {
		return fmt.Errorf("nuget: read %s: %w", what, err)
	}
	if err := xml.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil {
		return fmt.Errorf("nuget: parse %s: %w", what, err)
	}
	return nil
}
