// Package report writes the results of scans: for people as a table, for
// programs as JSON whose fields do not change their meaning, and in the forms
// that other tools read (Trivy's JSON, SARIF, CycloneDX, SPDX, NeuVector's).
package report

import (
	"strings"
	"time"

	"github.com/muster-sec/muster/scanner/baseimage"
	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vex"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// Version is the version of the JSON form. It grows only when a field changes
// its meaning or goes; new fields do not count.
const Version = 1

// Database says what the findings were computed from.
type Database struct {
	Revision string `json:"revision"`
	// UpdatedAt is zero when the database does not say.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Finding is a vulnerability of a package, where it comes from, and what is said
// of it.
type Finding struct {
	match.Finding
	// PURL is the package's package URL.
	PURL string `json:"purl,omitempty"`
	// LayerIndex is the index in the image's layers of the one that brought the
	// package; -1 when it is not known.
	LayerIndex int `json:"layer_index"`
	// InBase is set when that layer belongs to the base image.
	InBase bool `json:"in_base_image,omitempty"`
	// Mark is what VEX documents and ignore files say of it, nil for nothing.
	Mark *vex.Mark `json:"mark,omitempty"`

	contents int
}

// Settled reports whether the finding needs no more attention.
func (f Finding) Settled() bool { return f.Mark != nil && f.Mark.Status.Settles() }

// Package is one package of an image.
type Package struct {
	inventory.Package
	Ecosystem inventory.Ecosystem
	PURL      string
	// Source is the file that declares it, LayerIndex the layer that brought it.
	Source     string
	LayerIndex int
}

// Sighting is a noteworthy file that is no package.
type Sighting struct {
	inventory.PlacedSighting
	Mark *vex.Mark `json:"mark,omitempty"`
}

// Check is a check of how the image is built.
type Check struct {
	compliance.Check
	Mark *vex.Mark `json:"mark,omitempty"`
}

// SBOM is a bill of materials that somebody else made for the image.
type SBOM struct {
	// Location is a path in the image, or the digest of a manifest that refers to it.
	Location string `json:"location"`
	// Format is "cyclonedx", "spdx", or the artifact's media type.
	Format   string `json:"format"`
	Attached bool   `json:"attached,omitempty"`
}

// Image is the result for one image.
type Image struct {
	Image inventory.Image `json:"image"`
	OS    inventory.OS    `json:"os"`
	// EndOfLife is the last day on which the distribution's release gets security
	// updates; nil when no end is known.
	EndOfLife *time.Time `json:"end_of_life,omitempty"`
	// Base is the image that it was built on, nil when nothing tells.
	Base *baseimage.Base `json:"base_image,omitempty"`
	// Packages is the number of packages that are visible in the image.
	Packages int `json:"packages"`
	// Totals counts the findings that are not settled, by severity.
	Totals map[string]int `json:"totals"`
	// Settled is how many findings VEX documents and ignore files settle, Filtered
	// how many of them all were left out on request.
	Settled  int `json:"settled,omitempty"`
	Filtered int `json:"filtered,omitempty"`
	// Gaps are package sources that the database knows nothing about. An image
	// with gaps and without findings is not known to be clean.
	Gaps     []match.Gap         `json:"gaps,omitempty"`
	Problems []inventory.Problem `json:"problems,omitempty"`
	Findings []Finding           `json:"findings"`
	Secrets  []Sighting          `json:"secrets,omitempty"`
	SetIDs   []Sighting          `json:"setids,omitempty"`
	Checks   []Check             `json:"checks,omitempty"`
	SBOMs    []SBOM              `json:"sboms,omitempty"`

	// Contents are all packages; the formats that are bills of materials list them.
	Contents []Package `json:"-"`
}

// Details tells more of a vulnerability than findings carry. *vulndb.DB is one.
type Details interface {
	// Detail returns what is known about a vulnerability.
	Detail(id string) (vulndb.Detail, bool, error)
}

// Document is the JSON form, and what all other forms are made from.
type Document struct {
	Version  int       `json:"version"`
	Created  time.Time `json:"created"`
	Database Database  `json:"database"`
	Images   []Image   `json:"images"`

	// Tool is the version of the program that made it.
	Tool string `json:"-"`
	// Details adds texts to the forms that have room for them; nil adds none.
	Details Details `json:"-"`
}

// New returns the document for images that were scanned now.
func New(db Database, now time.Time, images []Image) Document {
	for i := range images {
		images[i].Totals = totals(images[i].Findings)
		images[i].Settled = 0
		for _, f := range images[i].Findings {
			if f.Settled() {
				images[i].Settled++
			}
		}
		if images[i].Findings == nil {
			images[i].Findings = []Finding{}
		}
	}
	return Document{Version: Version, Created: now.UTC().Truncate(time.Second), Database: db, Images: images}
}

// detail returns an empty value where nothing is known.
func (d Document) detail(id string) (vulndb.Detail, error) {
	if d.Details == nil {
		return vulndb.Detail{}, nil
	}
	detail, _, err := d.Details.Detail(id)
	return detail, err
}

// totals counts what is not settled.
func totals(findings []Finding) map[string]int {
	counts := map[string]int{}
	for _, s := range match.Severities() {
		counts[strings.ToLower(s.String())] = 0
	}
	for _, f := range findings {
		if !f.Settled() {
			counts[strings.ToLower(f.Severity.String())]++
		}
	}
	return counts
}
