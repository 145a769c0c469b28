package squash

import (
	"cmp"
	"slices"

	"github.com/muster-sec/muster/scanner/inventory"
)

// sightings places what was seen in the layers. A set-id file counts only while
// it is visible, because only then can it be run; a secret or an SBOM that was
// deleted later is still in the image, and is marked.
func sightings(layers []inventory.LayerAnalysis) []inventory.PlacedSighting {
	var result []inventory.PlacedSighting
	for i, l := range layers {
		result = bury(result, l)
		for _, s := range l.Sightings {
			// A plain program only takes the bit away from what lies below.
			if s.Kind == inventory.PlainSighting {
				continue
			}
			result = append(result, inventory.PlacedSighting{Sighting: s, Layer: i})
		}
	}
	result = slices.DeleteFunc(result, func(s inventory.PlacedSighting) bool {
		return s.Kind == inventory.SetIDSighting && s.Deleted
	})
	slices.SortStableFunc(result, func(a, b inventory.PlacedSighting) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Layer, b.Layer))
	})
	return result
}

// bury marks what a layer deletes or replaces of the layers below.
func bury(below []inventory.PlacedSighting, l inventory.LayerAnalysis) []inventory.PlacedSighting {
	if len(below) == 0 {
		return below
	}
	deleted, emptied := setOf(l.Whiteouts), setOf(l.Opaque)
	replaced := map[string]bool{}
	for _, s := range l.Sightings {
		replaced[s.Path] = true
	}
	for i := range below {
		path := below[i].Path
		gone := deleted[path] || replaced[path] ||
			anyParent(path, func(dir string) bool { return deleted[dir] || emptied[dir] })
		below[i].Deleted = below[i].Deleted || gone
	}
	return below
}
