package sbom

import (
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

// spdxPackage is the part of a package of SPDX 2.2 and 2.3 that names it
// (https://spdx.github.io/spdx-spec/v2.3/package-information/).
type spdxPackage struct {
	ID           string `json:"SPDXID"`
	Name         string `json:"name"`
	VersionInfo  string `json:"versionInfo"`
	Purpose      string `json:"primaryPackagePurpose"`
	SourceInfo   string `json:"sourceInfo"`
	ExternalRefs []struct {
		Type    string `json:"referenceType"`
		Locator string `json:"referenceLocator"`
	} `json:"externalRefs"`
	HasFiles    []string `json:"hasFiles"`
	Annotations []struct {
		Comment string `json:"comment"`
	} `json:"annotations"`
}

// places tells where packages lie, which SPDX says by relations to files.
type places struct {
	// files are names by the files' ids; of has the file's id of a package's.
	files, of map[string]string
	// packages are the ids of the document's packages, in their order.
	packages []string
}

// settle fills in the paths that the packages do not tell by themselves.
func (p places) settle(d *Document) {
	for i := range d.Packages {
		if d.Packages[i].Package.Path == "" && i < len(p.packages) {
			d.Packages[i].Package.Path = strings.TrimPrefix(strings.TrimPrefix(p.files[p.of[p.packages[i]]], "./"), "/")
		}
	}
}

func (in *reader) spdxPackage() error {
	var p spdxPackage
	if err := in.value(&p); err != nil {
		return err
	}
	for _, file := range p.HasFiles {
		in.places.of[p.ID] = file
		break
	}
	told := map[string]string{}
	for _, a := range p.Annotations {
		if name, value, ok := strings.Cut(a.Comment, ": "); ok {
			told["aquasecurity:trivy:"+name] = value
		}
	}
	var locators []string
	for _, r := range p.ExternalRefs {
		if r.Type == "purl" {
			locators = append(locators, r.Locator)
		}
	}
	return in.places.add(&in.spdx, p, locators, told)
}

// add reads a package: what the system is, what the document is about, or what
// its first package URL names.
func (p *places) add(d *Document, pkg spdxPackage, locators []string, told map[string]string) error {
	if pkg.Purpose == "OPERATING-SYSTEM" || pkg.Purpose == "OPERATING_SYSTEM" {
		d.OS = inventory.OS{Family: purl.Family(pkg.Name), Version: pkg.VersionInfo}
		return nil
	}
	for _, locator := range locators {
		if strings.HasPrefix(locator, "pkg:oci/") || strings.HasPrefix(locator, "pkg:docker/") {
			if d.Digest == "" {
				d.Digest = digestOf(locator)
			}
			continue
		}
		path, _ := strings.CutPrefix(pkg.SourceInfo, "declared in ")
		if path == pkg.SourceInfo {
			path = told["aquasecurity:trivy:FilePath"]
		}
		before := len(d.Packages)
		err := d.add(pkg.Name, locator, path, func(found *inventory.Package) {
			sourceFrom(told, found)
			builtFrom(pkg.SourceInfo, found)
		})
		if len(d.Packages) > before {
			p.packages = append(p.packages, pkg.ID)
		}
		return err
	}
	return nil
}

func (in *reader) spdxFile() error {
	var f struct {
		ID   string `json:"SPDXID"`
		Name string `json:"fileName"`
	}
	if err := in.value(&f); err != nil {
		return err
	}
	in.places.files[f.ID] = f.Name
	return nil
}

func (in *reader) spdxRelationship() error {
	var r struct {
		From string `json:"spdxElementId"`
		To   string `json:"relatedSpdxElement"`
		Type string `json:"relationshipType"`
	}
	if err := in.value(&r); err != nil {
		return err
	}
	in.places.relate(r.From, r.To, r.Type)
	return nil
}

// relate notes that a package contains a file.
func (p *places) relate(from, to, kind string) {
	if kind == "CONTAINS" && strings.HasPrefix(to, "SPDXRef-File") {
		p.of[from] = to
	}
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
