// Package sbom reads bills of materials that others made, CycloneDX JSON, SPDX
// JSON and SPDX's tags and values, into inventories that can be matched: package
// URLs tell ecosystem, name and version, and the distribution whose advisories
// apply.
package sbom

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/purl"
)

const (
	// maxBytes bounds a document, maxPackages what it may list.
	maxBytes    = 128 << 20
	maxPackages = 1_000_000
	// maxDepth bounds components inside components.
	maxDepth = 64
	// maxProblems bounds how many packages that could not be read are named.
	maxProblems = 100
)

// Errors of Read, beside those of package limit.
var (
	// ErrFormat says that a document is neither CycloneDX JSON nor SPDX.
	ErrFormat = errors.New("sbom: neither CycloneDX JSON nor SPDX 2")
	// ErrMalformed says that a document is of a known kind and breaks its rules.
	ErrMalformed = errors.New("sbom: malformed document")
)

// Document is a bill of materials.
type Document struct {
	// Format is "cyclonedx" or "spdx", Version its version.
	Format, Version string
	// Name and Digest are the subject's, as far as the document tells.
	Name, Digest string
	// OS is the operating system that the document or most of its packages name.
	OS       inventory.OS
	Packages []purl.Located
	// Problems are packages that could not be understood.
	Problems []inventory.Problem

	unnamed int
	// most is how many packages there may be.
	most int
}

// Bounds are what a document may cost at most.
type Bounds struct {
	// Bytes bounds the document as it is read, Packages what it may list.
	Bytes    int64
	Packages int
	// Mixed keeps packages of several distributions, for a caller who knows which
	// one counts.
	Mixed bool
}

// Read reads a document that somebody chose to scan, within bounds that no honest
// one meets. See Bounds.Read.
func Read(r io.Reader) (Document, error) {
	return Bounds{Bytes: maxBytes, Packages: maxPackages}.Read(r)
}

// Read reads a document: CycloneDX JSON, SPDX JSON, or SPDX as tags and values. It
// returns ErrFormat, ErrMalformed, an error of package limit, or what the reader
// returned. Packages of an ecosystem that is not known here are problems of the
// document and no error. What it takes in memory grows with the packages that have
// a package URL and not with the size of the document.
func (b Bounds) Read(r io.Reader) (Document, error) {
	in := bufio.NewReader(limit.Reader(r, "sbom_bytes", b.Bytes))
	if mark, err := in.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = in.Discard(len(mark)) // it was peeked at
	}
	read := readJSON
	if head, _ := in.Peek(len(tagValueHead)); string(head) == tagValueHead {
		read = readTags
	}
	d, err := read(in, b.Packages)
	if err != nil {
		return Document{}, err
	}
	d.settle(b.Mixed)
	return d, nil
}

// add reads one package. An empty name of a package URL is passed over: it is a
// file, or the root.
func (d *Document) add(name, packageURL, path string, source func(*inventory.Package)) error {
	if packageURL == "" {
		return nil
	}
	if err := limit.Check("sbom_packages", int64(d.most), int64(len(d.Packages)+1)); err != nil {
		return err
	}
	l, err := purl.Parse(packageURL)
	if err != nil {
		if len(d.Problems) >= maxProblems {
			d.unnamed++
			return nil
		}
		d.Problems = append(d.Problems, inventory.Problem{Path: strings.ToValidUTF8(name, "\uFFFD"), Analyzer: "sbom", Reason: err.Error()})
		return nil
	}
	if sameButForCase(name, l.Package.Name) {
		l.Package.Name = name
	}
	l.Package.Path = strings.TrimPrefix(path, "/")
	if source != nil {
		source(&l.Package)
	}
	if l.Package.SourceName == l.Package.Name {
		l.Package.SourceName = ""
	}
	if l.Package.SourceVersion == l.Package.Version {
		l.Package.SourceVersion = ""
	}
	d.Packages = append(d.Packages, l)
	return nil
}

// sameButForCase reports whether a component's name is that of its package URL.
// Package URLs lose case and underscores, which some advisories depend on.
func sameButForCase(name, ofURL string) bool {
	return strings.EqualFold(strings.ReplaceAll(name, "_", "-"), strings.ReplaceAll(ofURL, "_", "-"))
}

// settle decides the operating system. Advisories are looked up in one, so the
// packages of others are left out and named.
func (d *Document) settle(mixed bool) {
	counts := map[inventory.OS]int{}
	for _, p := range d.Packages {
		if p.Ecosystem.IsOS() && p.OS.Version != "" {
			counts[p.OS]++
		}
	}
	most := slices.SortedFunc(maps.Keys(counts), func(a, b inventory.OS) int {
		return cmp.Or(-cmp.Compare(counts[a], counts[b]), cmp.Compare(a.Family, b.Family), cmp.Compare(a.Version, b.Version))
	})
	if len(most) > 0 {
		d.OS = most[0]
	}
	foreign := 0
	d.Packages = slices.DeleteFunc(d.Packages, func(p purl.Located) bool {
		other := !mixed && p.Ecosystem.IsOS() && p.OS.Version != "" && p.OS != d.OS
		if other {
			foreign++
		}
		return other
	})
	if foreign > 0 {
		d.Problems = append(d.Problems, inventory.Problem{
			Analyzer: "sbom", Reason: fmt.Sprintf("%d packages of another distribution than %s %s were left out", foreign, d.OS.Family, d.OS.Version),
		})
	}
	if d.unnamed > 0 {
		d.Problems = append(d.Problems, inventory.Problem{Analyzer: "sbom", Reason: fmt.Sprintf("%d more packages could not be read", d.unnamed)})
	}
}

// Inventory returns what the document lists as the inventory of an image named
// reference, and the package sets that it refers to: one for each ecosystem.
func (d Document) Inventory(reference string) (inventory.Inventory, map[inventory.SetID]inventory.PackageSet) {
	byEcosystem := map[inventory.Ecosystem]*inventory.PackageSet{}
	for _, p := range d.Packages {
		set := byEcosystem[p.Ecosystem]
		if set == nil {
			set = &inventory.PackageSet{Ecosystem: p.Ecosystem}
			byEcosystem[p.Ecosystem] = set
		}
		set.Packages = append(set.Packages, p.Package)
	}
	inv := inventory.Inventory{
		Image:   inventory.Image{Reference: cmp.Or(d.Name, reference), Digest: d.Digest, Platform: d.Format, Layers: []inventory.Layer{}},
		OS:      d.OS,
		Sources: []inventory.Source{}, Problems: d.Problems,
	}
	sets := map[inventory.SetID]inventory.PackageSet{}
	for _, e := range slices.Sorted(maps.Keys(byEcosystem)) {
		set := *byEcosystem[e]
		set.Canonical()
		id := set.ID()
		sets[id] = set
		inv.Sources = append(inv.Sources, inventory.Source{Set: id, Path: reference, Layer: -1})
	}
	return inv, sets
}
