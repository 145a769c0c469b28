package squash_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/squash"
)

func sighting(kind inventory.SightingKind, path string) inventory.Sighting {
	return inventory.Sighting{Kind: kind, Path: path}
}

func TestSightings(t *testing.T) {
	t.Parallel()
	const secret, setid, plain = inventory.SecretSighting, inventory.SetIDSighting, inventory.PlainSighting
	placed := func(s inventory.Sighting, layer int, deleted bool) inventory.PlacedSighting {
		return inventory.PlacedSighting{Sighting: s, Layer: layer, Deleted: deleted}
	}
	for name, c := range map[string]struct {
		layers []inventory.LayerAnalysis
		want   []inventory.PlacedSighting
	}{
		"sorted by path and layer": {
			[]inventory.LayerAnalysis{
				{Sightings: []inventory.Sighting{sighting(secret, "b"), sighting(setid, "c")}}, {Sightings: []inventory.Sighting{sighting(secret, "a")}},
			},
			[]inventory.PlacedSighting{placed(sighting(secret, "a"), 1, false), placed(sighting(secret, "b"), 0, false), placed(sighting(setid, "c"), 0, false)},
		},
		"deleted": {
			[]inventory.LayerAnalysis{
				{Sightings: []inventory.Sighting{sighting(secret, "x/a"), sighting(setid, "x/b"), sighting(secret, "y/c")}}, {Whiteouts: []string{"x"}}, {Opaque: []string{"y"}},
			},
			[]inventory.PlacedSighting{placed(sighting(secret, "x/a"), 0, true), placed(sighting(secret, "y/c"), 0, true)},
		},
		"the bit is taken away": {
			[]inventory.LayerAnalysis{{Sightings: []inventory.Sighting{sighting(setid, "bin/su")}}, {Sightings: []inventory.Sighting{sighting(plain, "bin/su")}}}, nil,
		},
		"the bit is given": {
			[]inventory.LayerAnalysis{{Sightings: []inventory.Sighting{sighting(plain, "bin/su")}}, {Sightings: []inventory.Sighting{sighting(setid, "bin/su")}}},
			[]inventory.PlacedSighting{placed(sighting(setid, "bin/su"), 1, false)},
		},
		"deleted and made again": {
			[]inventory.LayerAnalysis{{Sightings: []inventory.Sighting{sighting(setid, "su")}}, {Whiteouts: []string{"su"}, Sightings: []inventory.Sighting{sighting(setid, "su")}}},
			[]inventory.PlacedSighting{placed(sighting(setid, "su"), 1, false)},
		},
	} {
		inv, _ := squash.Squash(inventory.Image{Layers: make([]inventory.Layer, len(c.layers))}, c.layers)
		if diff := cmp.Diff(c.want, inv.Sightings); len(c.want)+len(inv.Sightings) > 0 && diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
