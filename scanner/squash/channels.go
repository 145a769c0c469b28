package squash

import (
	"slices"

	"github.com/muster-sec/muster/scanner/inventory"
)

// withChannels returns the set of a source with the channels of each package:
// those of the layer that brought it, because advisories of Red Hat are chosen
// by them. Sets of other distributions stay as they are, and so does one of an
// image that does not tell.
func withChannels(s source, origins []int, layers []inventory.LayerAnalysis, os inventory.OS) inventory.PackageSet {
	if s.set.Ecosystem != inventory.Rpm || os.Family != "redhat" && os.Family != "centos" {
		return s.set
	}
	changed := inventory.PackageSet{Ecosystem: s.set.Ecosystem, Packages: slices.Clone(s.set.Packages)}
	told := false
	for i := range changed.Packages {
		from := s.layer
		if i < len(origins) {
			from = origins[i]
		}
		if build := buildOf(from, layers); build != nil {
			changed.Packages[i].Channels = build.Channels()
			told = true
		}
	}
	if !told {
		return s.set
	}
	// The channels are the last but one thing that packages are ordered by, and
	// no two packages of a set are equal but for them: the order stays.
	return changed
}

// buildOf returns what is known of the making of a layer. The layer below the
// one that tells is of the same build, and whatever is built on top of Red Hat's
// layers draws from the same repositories.
func buildOf(layer int, layers []inventory.LayerAnalysis) *inventory.Build {
	switch {
	case layers[layer].Build != nil:
		return layers[layer].Build
	case layer == 0 && len(layers) > 1:
		return layers[1].Build
	}
	for i := layer - 1; i >= 0; i-- {
		if layers[i].Build != nil {
			return layers[i].Build
		}
	}
	return nil
}
