package inventory

import "cmp"

// SightingKind is what was seen of a file.
type SightingKind string

// The kinds of sightings.
const (
	// SecretSighting is a credential in a file's content.
	SecretSighting SightingKind = "secret"
	// SetIDSighting is a file that runs as its owner or group.
	SetIDSighting SightingKind = "setid"
	// PlainSighting is a program without such a bit. It is kept because it may
	// replace one that has it in a layer below; squashing drops it.
	PlainSighting SightingKind = "plain"
	// SBOMSighting is a bill of materials that lies in the image.
	SBOMSighting SightingKind = "sbom"
)

// Sighting is something noteworthy about one file of a layer that is no package.
// It is comparable.
type Sighting struct {
	Kind SightingKind `json:"kind"`
	Path string       `json:"path"`
	// Rule names what was recognised: a secret rule's id, "setuid" or "setgid",
	// the format of an SBOM.
	Rule string `json:"rule,omitempty"`
	// Title says it in words.
	Title string `json:"title,omitempty"`
	// Line is the line of the file, from 1, where there is one.
	Line int `json:"line,omitempty"`
	// Evidence is what was seen, a secret masked.
	Evidence string `json:"evidence,omitempty"`
}

// PlacedSighting is a sighting in an image.
type PlacedSighting struct {
	Sighting
	// Layer is the index in Image.Layers of the layer that has the file.
	Layer int `json:"layer"`
	// Deleted is set when a layer above deletes or replaces the file. Whoever has
	// the image still has the content.
	Deleted bool `json:"deleted,omitempty"`
}

func compareSightings(a, b Sighting) int {
	return cmp.Or(
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Evidence, b.Evidence),
		cmp.Compare(a.Title, b.Title),
	)
}
