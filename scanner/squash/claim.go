package squash

import (
	"slices"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

// installed is a package of the operating system as bills of materials and
// package managers both name it.
type installed struct{ name, version string }

// check weighs what bills of materials in the image say of the operating system's
// packages. Those of another distribution are not here, and what a package manager
// has recorded itself is its word alone: it knows the source package too.
func check(visible map[string][]source, os inventory.OS) {
	recorded := map[installed]bool{}
	claims := false
	for _, sources := range visible {
		for _, s := range sources {
			switch {
			case !s.set.Ecosystem.IsOS():
			case s.claim != nil:
				claims = true
			default:
				for _, p := range s.set.Packages {
					recorded[installed{p.Name, p.Version}] = true
				}
			}
		}
	}
	if !claims {
		return
	}
	for _, sources := range visible {
		for i := range sources {
			s := &sources[i]
			if s.claim == nil || !s.set.Ecosystem.IsOS() {
				continue
			}
			if Foreign(s.claim.Namespace, os.Family) {
				s.set.Packages = nil
				continue
			}
			s.set.Packages = slices.DeleteFunc(slices.Clone(s.set.Packages), func(p inventory.Package) bool {
				return recorded[installed{p.Name, p.Version}]
			})
		}
	}
}

// Foreign reports whether packages of a namespace, as package URLs have it, cannot
// be those of a family; what is not known is not foreign.
func Foreign(namespace, family string) bool {
	return namespace != "" && family != "" && namespace != purl.Namespace(family)
}
