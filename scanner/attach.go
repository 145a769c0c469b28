package scanner

import (
	"cmp"
	"maps"
	"slices"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/sbom"
	"github.com/muster-sec/muster/scanner/squash"
)

// versioned is a package as two descriptions of an image have in common.
type versioned struct {
	ecosystem     inventory.Ecosystem
	name, version string
}

// Attach returns the inventory together with what a bill of materials that lies
// beside the image, at location, lists and the image's own files do not tell:
// packages of another distribution, which cannot be in the image, left out. It
// names no layer as their origin. The inventory itself stays as it is.
func (i ImageInventory) Attach(location string, doc sbom.Document) ImageInventory {
	known := map[versioned]bool{}
	for _, source := range i.Sources {
		set := i.Sets[source.Set]
		for _, p := range set.Packages {
			known[versioned{set.Ecosystem, p.Name, p.Version}] = true
		}
	}
	added := map[inventory.Ecosystem][]inventory.Package{}
	for _, p := range doc.Packages {
		at := versioned{p.Ecosystem, p.Package.Name, p.Package.Version}
		if known[at] || p.Ecosystem.IsOS() && squash.Foreign(p.Namespace, i.OS.Family) {
			continue
		}
		known[at] = true
		added[p.Ecosystem] = append(added[p.Ecosystem], p.Package)
	}
	if len(added) == 0 {
		return i
	}
	i.Sources, i.Sets = slices.Clone(i.Sources), maps.Clone(i.Sets)
	if i.Sets == nil {
		i.Sets = map[inventory.SetID]inventory.PackageSet{}
	}
	for ecosystem, packages := range added {
		set := inventory.PackageSet{Ecosystem: ecosystem, Packages: packages}
		set.Canonical()
		i.Sets[set.ID()] = set
		i.Sources = append(i.Sources, inventory.Source{Set: set.ID(), Path: location, Layer: -1})
	}
	slices.SortFunc(i.Sources, func(a, b inventory.Source) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Set, b.Set)) })
	return i
}
