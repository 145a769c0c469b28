package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"github.com/muster-sec/muster/scanner/purl"
)

// The types below are the part of SPDX 2.3 JSON that is written
// (spdx.github.io/spdx-spec/v2.3).
type spdxDocument struct {
	ID            string             `json:"SPDXID"`
	Version       string             `json:"spdxVersion"`
	DataLicense   string             `json:"dataLicense"`
	Name          string             `json:"name"`
	Namespace     string             `json:"documentNamespace"`
	CreationInfo  spdxCreation       `json:"creationInfo"`
	Packages      []spdxPackage      `json:"packages"`
	Relationships []spdxRelationship `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
	Comment  string   `json:"comment,omitempty"`
}

type spdxPackage struct {
	ID               string         `json:"SPDXID"`
	Name             string         `json:"name"`
	Version          string         `json:"versionInfo,omitempty"`
	Purpose          string         `json:"primaryPackagePurpose"`
	DownloadLocation string         `json:"downloadLocation"`
	FilesAnalyzed    bool           `json:"filesAnalyzed"`
	SourceInfo       string         `json:"sourceInfo,omitempty"`
	ValidUntil       string         `json:"validUntilDate,omitempty"`
	Checksums        []spdxChecksum `json:"checksums,omitempty"`
	ExternalRefs     []spdxRef      `json:"externalRefs,omitempty"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type spdxRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
	Comment  string `json:"comment,omitempty"`
}

type spdxRelationship struct {
	Element string `json:"spdxElementId"`
	Kind    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const spdxRoot = "SPDXRef-DOCUMENT"

// SPDX writes the document as an SPDX 2.3 bill of materials. Vulnerabilities
// stand as security references of the packages that have them, with what is
// said of them as the comment.
func SPDX(w io.Writer, d Document) error {
	name := "scan"
	if len(d.Images) > 0 {
		name = cmp.Or(d.Images[0].Image.Reference, name)
	}
	doc := spdxDocument{
		ID: spdxRoot, Version: "SPDX-2.3", DataLicense: "CC0-1.0", Name: name,
		Namespace: projectURL + "/spdx/" + d.id(),
		CreationInfo: spdxCreation{
			Created: d.Created.Format(time.RFC3339), Creators: []string{"Organization: muster-sec", "Tool: muster-" + cmp.Or(d.Tool, "unknown")},
			Comment: "vulnerability database " + d.Database.Revision,
		},
		Packages: []spdxPackage{}, Relationships: []spdxRelationship{},
	}
	for _, i := range d.Images {
		doc.image(i)
	}
	return encode(w, "spdx", doc)
}

func (d *spdxDocument) image(i Image) {
	name := purl.OfImage(i.Image)
	repository, tag := purl.Repository(i.Image.Reference)
	subject := spdxPackage{
		ID: spdxID("Image", name, ""), Name: cmp.Or(repository, "image"), Version: cmp.Or(tag, i.Image.Digest), Purpose: "CONTAINER",
		DownloadLocation: "NOASSERTION", ExternalRefs: []spdxRef{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: name}},
	}
	if sum, ok := strings.CutPrefix(i.Image.Digest, "sha256:"); ok {
		subject.Checksums = []spdxChecksum{{"SHA256", sum}}
	}
	d.Packages = append(d.Packages, subject)
	d.Relationships = append(d.Relationships, spdxRelationship{spdxRoot, "DESCRIBES", subject.ID})
	d.system(i, subject.ID)
	vulnerabilities := map[int][]Finding{}
	for _, f := range i.Findings {
		vulnerabilities[f.contents] = append(vulnerabilities[f.contents], f)
	}
	seen := map[string]bool{}
	for n, p := range i.Contents {
		pkg := spdxPackage{
			ID: spdxID("Package", i.Image.Digest+p.PURL, p.Source), Name: p.Name, Version: p.Version, Purpose: "LIBRARY",
			DownloadLocation: "NOASSERTION", SourceInfo: "declared in " + p.Source,
			ExternalRefs: []spdxRef{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: p.PURL}},
		}
		if seen[pkg.ID] {
			continue // one source may declare a package twice
		}
		seen[pkg.ID] = true
		for _, f := range vulnerabilities[n] {
			pkg.ExternalRefs = append(pkg.ExternalRefs, advisory(f))
		}
		d.Packages = append(d.Packages, pkg)
		d.Relationships = append(d.Relationships, spdxRelationship{subject.ID, "CONTAINS", pkg.ID})
	}
}

// system describes the distribution. SPDX has a field for the end of support.
func (d *spdxDocument) system(i Image, subject string) {
	if i.OS.Family == "" {
		return
	}
	pkg := spdxPackage{
		ID: spdxID("OperatingSystem", i.Image.Digest, i.OS.Family), Name: i.OS.Family, Version: i.OS.Version, Purpose: "OPERATING_SYSTEM",
		DownloadLocation: "NOASSERTION",
	}
	if i.EndOfLife != nil {
		pkg.ValidUntil = i.EndOfLife.UTC().Format(time.RFC3339)
	}
	d.Packages = append(d.Packages, pkg)
	d.Relationships = append(d.Relationships, spdxRelationship{subject, "CONTAINS", pkg.ID})
}

func advisory(f Finding) spdxRef {
	link := ""
	if f.Summary != nil {
		link = absoluteURL(f.URL)
	}
	comment := f.ID + " " + f.Severity.String()
	if f.Fixed != "" {
		comment += ", fixed in " + f.Fixed
	}
	if f.Mark != nil {
		comment += ", " + markText(f.Mark)
	}
	return spdxRef{Category: "SECURITY", Type: "advisory", Locator: cmp.Or(link, "https://osv.dev/vulnerability/"+f.ID), Comment: comment}
}

// spdxID makes an identifier of the characters that SPDX allows.
func spdxID(kind, name, place string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + place))
	return "SPDXRef-" + kind + "-" + hex.EncodeToString(sum[:8])
}
