package sbom

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

// spdx is the part of SPDX 2.2 and 2.3 JSON that names packages.
type spdx struct {
	Version  string `json:"spdxVersion"`
	Name     string `json:"name"`
	Packages []struct {
		Name         string `json:"name"`
		VersionInfo  string `json:"versionInfo"`
		Purpose      string `json:"primaryPackagePurpose"`
		SourceInfo   string `json:"sourceInfo"`
		ExternalRefs []struct {
			Type    string `json:"referenceType"`
			Locator string `json:"referenceLocator"`
		} `json:"externalRefs"`
	} `json:"packages"`
}

func readSPDX(raw []byte) (Document, error) {
	var doc spdx
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Document{}, fmt.Errorf("%w: SPDX: %w", ErrMalformed, err)
	}
	d := Document{Format: "spdx", Version: strings.TrimPrefix(doc.Version, "SPDX-"), Name: doc.Name}
	for _, p := range doc.Packages {
		if p.Purpose == "OPERATING-SYSTEM" || p.Purpose == "OPERATING_SYSTEM" {
			d.OS = inventory.OS{Family: purl.Family(p.Name), Version: p.VersionInfo}
			continue
		}
		for _, r := range p.ExternalRefs {
			if r.Type != "purl" {
				continue
			}
			if strings.HasPrefix(r.Locator, "pkg:oci/") || strings.HasPrefix(r.Locator, "pkg:docker/") {
				if d.Digest == "" {
					d.Digest = digestOf(r.Locator)
				}
				continue
			}
			path, _ := strings.CutPrefix(p.SourceInfo, "declared in ")
			if path == p.SourceInfo {
				path = ""
			}
			d.add(p.Name, r.Locator, path, func(pkg *inventory.Package) { builtFrom(p.SourceInfo, pkg) })
			break
		}
	}
	return d, nil
}

// builtFrom reads the source package where Trivy writes it:
// "built package from: NAME VERSION".
func builtFrom(text string, p *inventory.Package) {
	rest, ok := strings.CutPrefix(text, "built package from: ")
	if !ok || p.SourceName != "" {
		return
	}
	p.SourceName, p.SourceVersion, _ = strings.Cut(strings.TrimSpace(rest), " ")
}
