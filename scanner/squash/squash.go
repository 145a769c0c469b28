// Package squash lays the analyses of an image's layers on top of each other:
// what a container would see of them is the image's inventory.
package squash

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// Squash returns the inventory of an image whose layers, from the base upwards,
// have these analyses, and the package sets that the inventory refers to. The
// analyses must be as many as image.Layers.
func Squash(image inventory.Image, layers []inventory.LayerAnalysis) (inventory.Inventory, map[inventory.SetID]inventory.PackageSet) {
	visible := map[string][]source{}
	origins := map[packageAt]int{}
	inv := inventory.Inventory{Image: image, OS: system(layers), Sources: []inventory.Source{}}
	inv.Image.Layers = slices.Clone(image.Layers)
	for i := range inv.Image.Layers {
		inv.Image.Layers[i].Unpacked = layers[i].Stats.Uncompressed
	}
	for i, l := range layers {
		hide(visible, l)
		for _, s := range l.Sets {
			if below := visible[s.Path]; len(below) > 0 && below[0].layer != i {
				delete(visible, s.Path)
			}
			visible[s.Path] = append(visible[s.Path], source{layer: i, set: s.Set, claim: s.Claim})
			for _, p := range s.Set.Packages {
				at := placeOf(p, s.Path, s.Set.Ecosystem)
				if _, known := origins[at]; !known {
					origins[at] = i
				}
			}
		}
		inv.Problems = append(inv.Problems, l.Problems...)
	}
	inv.Sightings = sightings(layers)
	check(visible, inv.OS)
	sets := map[inventory.SetID]inventory.PackageSet{}
	for _, path := range slices.Sorted(maps.Keys(visible)) {
		for _, v := range visible[path] {
			if len(v.set.Packages) == 0 {
				continue
			}
			from := v.origins(path, origins)
			v.set = withChannels(v, from, layers, inv.OS)
			id := v.set.ID()
			sets[id] = v.set
			inv.Sources = append(inv.Sources, inventory.Source{Set: id, Path: path, Layer: v.layer, Origins: from})
		}
	}
	return inv, sets
}

// source is what is visible at one path.
type source struct {
	layer int
	set   inventory.PackageSet
	claim *inventory.Claim
}

// packageAt is a package where it is declared, whichever layer rewrote that. A
// package manager may move its database, so its packages have no path.
type packageAt struct{ path, name, version string }

func placeOf(p inventory.Package, path string, e inventory.Ecosystem) packageAt {
	if !e.IsOS() {
		return packageAt{path, p.Name, p.Version}
	}
	// Trivy leaves the epoch out, and no package is rebuilt with another one only.
	if epoch, rest, found := strings.Cut(p.Version, ":"); found && strings.Trim(epoch, "0123456789") == "" {
		return packageAt{"", p.Name, rest}
	}
	return packageAt{"", p.Name, p.Version}
}

// origins returns nil when every package came with the source's own layer.
func (s source) origins(path string, first map[packageAt]int) []int {
	result := make([]int, len(s.set.Packages))
	same := true
	for i, p := range s.set.Packages {
		result[i] = first[placeOf(p, path, s.set.Ecosystem)]
		same = same && result[i] == s.layer
	}
	if same {
		return nil
	}
	return result
}

// hide removes what a layer deletes of the layers below. It looks up each
// visible path's parents instead of walking each deleted tree, so that a layer
// of a million whiteouts costs no more than its length.
func hide(visible map[string][]source, l inventory.LayerAnalysis) {
	if len(l.Whiteouts) == 0 && len(l.Opaque) == 0 {
		return
	}
	deleted, emptied := setOf(l.Whiteouts), setOf(l.Opaque)
	for path := range visible {
		if deleted[path] || anyParent(path, func(dir string) bool { return deleted[dir] || emptied[dir] }) {
			delete(visible, path)
		}
	}
}

// anyParent calls yes with each directory above path, the root ("") last, until
// it says true.
func anyParent(path string, yes func(dir string) bool) bool {
	for {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return path != "" && yes("")
		}
		path = path[:i]
		if yes(path) {
			return true
		}
	}
}

func setOf(items []string) map[string]bool {
	set := make(map[string]bool, len(items))
	for _, item := range items {
		set[item] = true
	}
	return set
}

// system weighs what the release files of all layers say. A file counts as the
// highest layer has it; deleting it does not make the packages another
// distribution's. Among files, a distribution's own beats one it inherited.
func system(layers []inventory.LayerAnalysis) inventory.OS {
	facts := map[string]inventory.OSFact{}
	for _, l := range layers {
		for _, f := range l.OS {
			facts[f.Path] = f
		}
	}
	ordered := slices.SortedFunc(maps.Values(facts), func(a, b inventory.OSFact) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Path, b.Path))
	})
	var os inventory.OS
	for _, f := range ordered {
		if f.Version != "" && os.Family == "" {
			os.Family, os.Version = f.Family, f.Version
		}
		os.Repository = cmp.Or(os.Repository, f.Repository)
		os.Extended = os.Extended || f.Extended
	}
	return withoutForeignFacts(os)
}

// rank orders facts by how much they tell. The files of Debian and Red Hat are
// inherited by every derivative, so any other fact is preferred; the own files of
// Red Hat and Amazon have more to say than their os-release.
func rank(f inventory.OSFact) int {
	switch {
	case (f.Family == "amazon" || f.Family == "redhat") && strings.HasSuffix(f.Path, "/os-release"):
		return 2
	case f.Family == "debian", f.Family == "redhat":
		return 1
	}
	return 0
}

// withoutForeignFacts drops what only concerns another family than the one
// found, and takes Alpine's repositories for the release where nothing else says it.
func withoutForeignFacts(os inventory.OS) inventory.OS {
	if os.Family == "" && os.Repository != "" {
		os.Family, os.Version = "alpine", os.Repository
	}
	if os.Family != "alpine" {
		os.Repository = ""
	}
	if os.Family != "ubuntu" {
		os.Extended = false
	}
	return os
}
