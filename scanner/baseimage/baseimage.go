// Package baseimage finds out on which image another one was built, so that a
// finding can be told to belong to the one or the other: whoever has to repair
// it differs. It reads descriptions of images only.
package baseimage

import (
	"regexp"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// The labels by which builders name the base
// (github.com/opencontainers/image-spec, annotations.md).
const (
	nameLabel   = "org.opencontainers.image.base.name"
	digestLabel = "org.opencontainers.image.base.digest"
)

// Evidence is how a base was recognised, best first.
type Evidence string

// The kinds of evidence.
const (
	// ByLayers: the image begins with all layers of a known image.
	ByLayers Evidence = "layers"
	// ByLabels: the image says so itself. The number of layers is not known from it.
	ByLabels Evidence = "labels"
	// ByHistory: a build step that sets the command, with layers above it, ended
	// the base. It is a guess.
	ByHistory Evidence = "history"
)

// Base is the image that another one was built on.
type Base struct {
	Name     string   `json:"name,omitempty"`
	Digest   string   `json:"digest,omitempty"`
	Evidence Evidence `json:"evidence"`
	// Layers is how many of the image's layers, from the bottom, are the base's;
	// 0 when that is not known.
	Layers int `json:"layers"`
}

// Has reports whether the layer with this index belongs to the base; a nil base
// has none.
func (b *Base) Has(layer int) bool { return b != nil && layer >= 0 && layer < b.Layers }

// Detect returns the base of an image, nil when nothing tells of one. Of the
// known images that the image begins with, the one with most layers counts.
func Detect(image inventory.Image, known []inventory.Image) *Base {
	var best *Base
	for _, k := range known {
		if n := len(k.Layers); n < len(image.Layers) && (best == nil || n > best.Layers) && begins(image, k) {
			best = &Base{Name: k.Reference, Digest: k.Digest, Evidence: ByLayers, Layers: n}
		}
	}
	if best != nil {
		return best
	}
	guessed := guess(image)
	if image.Labels[nameLabel] != "" || image.Labels[digestLabel] != "" {
		return &Base{
			Name: image.Labels[nameLabel], Digest: image.Labels[digestLabel], Evidence: ByLabels, Layers: guessed,
		}
	}
	if guessed > 0 {
		return &Base{Evidence: ByHistory, Layers: guessed}
	}
	return nil
}

func begins(image, base inventory.Image) bool {
	for i, l := range base.Layers {
		if image.Layers[i].DiffID != l.DiffID {
			return false
		}
	}
	return len(base.Layers) > 0
}

var command = regexp.MustCompile(`^(?:/bin/sh -c #\(nop\)\s+)?(?:CMD|ENTRYPOINT)\b`)

// guess returns how many layers lie below the last step that sets a command and
// has a layer above it: an image's own command is its last word.
func guess(image inventory.Image) int {
	below, found, total := 0, 0, 0
	for _, h := range image.History {
		if !h.Empty {
			total++
		}
	}
	if total != len(image.Layers) {
		return 0 // a history that does not tell of every layer is not to be trusted
	}
	for _, h := range image.History {
		if !h.Empty {
			below++
		}
		if below < total && h.Empty && command.MatchString(strings.TrimSpace(h.CreatedBy)) {
			found = below
		}
	}
	return found
}
