package inventory

import (
	"cmp"
	"slices"
	"strings"
)

// LayerKey names the analysis of one layer: the content of its blob and the
// analyzers (names and versions) that read it. The key is the blob's digest and
// not the diff ID, because only the former is proved before a layer is read: an
// image could claim the diff ID of somebody else's harmless layer.
type LayerKey struct {
	Digest    string `json:"digest"`
	Analyzers string `json:"analyzers"`
	// Origin is where the blob was read, "https://registry.example". Naming a
	// digest is no proof of having the blob: what one registry showed says nothing
	// to another. Empty when the place does not matter.
	Origin string `json:"origin,omitempty"`
}

// String returns the key as one word, "sha256:…@analyzers" or
// "sha256:…@analyzers@origin".
func (k LayerKey) String() string {
	if k.Origin == "" {
		return k.Digest + "@" + k.Analyzers
	}
	return k.Digest + "@" + k.Analyzers + "@" + k.Origin
}

// LayerAnalysis is what the analyzers found in one layer. It is a value: equal
// blobs and equal analyzers give equal JSON.
type LayerAnalysis struct {
	Key LayerKey `json:"key"`
	// DiffID is the digest of the uncompressed tar, as computed while reading.
	DiffID string `json:"diff_id"`
	// Sets are the package sources of the layer sorted by path. A set without
	// packages is kept: it hides what a lower layer had at the same path.
	Sets []SourceSet `json:"sets,omitempty"`
	// OS are the operating system facts of the layer sorted by path.
	OS []OSFact `json:"os,omitempty"`
	// Whiteouts are paths of lower layers that this layer deletes.
	Whiteouts []string `json:"whiteouts,omitempty"`
	// Opaque are directories whose content in lower layers this layer hides; ""
	// is the root.
	Opaque []string `json:"opaque,omitempty"`
	// Sightings are noteworthy files that are no packages, sorted by path.
	Sightings []Sighting `json:"sightings,omitempty"`
	// Build is what the layer says about its own making, nil if nothing.
	Build *Build `json:"build,omitempty"`
	// Problems are files that could not be understood; the rest still counts.
	Problems []Problem `json:"problems,omitempty"`
	Stats    Stats     `json:"stats"`
}

// Facts is how much the layer tells: packages, deletions, sightings and problems.
func (l LayerAnalysis) Facts() int {
	n := len(l.Whiteouts) + len(l.Opaque) + len(l.Sightings) + len(l.Problems)
	for _, s := range l.Sets {
		n += 1 + len(s.Set.Packages)
	}
	return n
}

// SourceSet is a package set with the path (slash-separated, no leading slash)
// of the file it was read from.
type SourceSet struct {
	Path string     `json:"path"`
	Set  PackageSet `json:"set"`
	// Claim is not nil when the file is a bill of materials: somebody's word on
	// what there is, and no package manager's record.
	Claim *Claim `json:"claim,omitempty"`
}

// Claim is what a bill of materials says of a set of packages.
type Claim struct {
	// Namespace is the distribution that packages of an operating system claim to
	// be of, as package URLs name it; empty when they do not say.
	Namespace string `json:"namespace,omitempty"`
}

// namespace tells apart the sets of one file and ecosystem.
func (s SourceSet) namespace() string {
	if s.Claim == nil {
		return ""
	}
	return s.Claim.Namespace
}

// OSFact is what one file says about the operating system. Facts of all layers
// are weighed together by package squash.
type OSFact struct {
	// Path is the file that says it.
	Path string `json:"path"`
	// Family is the distribution in lower case ("alpine", "debian", "ubuntu").
	Family string `json:"family,omitempty"`
	// Version is the distribution's release.
	Version string `json:"version,omitempty"`
	// Repository is the release of the configured package repositories.
	Repository string `json:"repository,omitempty"`
	// Extended is set when extended security maintenance is enabled.
	Extended bool `json:"extended,omitempty"`
}

// Build is what a layer made by Red Hat's build system says about itself. It
// decides which of Red Hat's advisories concern the layer's packages.
type Build struct {
	// ContentSets are the repositories that the layer was built from.
	ContentSets []string `json:"content_sets,omitempty"`
	// Name is the build's "name-version-release-architecture".
	Name string `json:"name,omitempty"`
}

// Channels returns the content sets, sorted, and the build as one word: the form
// in which Package.Channels holds them. SplitChannels takes it apart again.
func (b Build) Channels() string {
	sets := slices.Clone(b.ContentSets)
	slices.Sort(sets)
	return strings.Join(slices.Compact(sets), ",") + "/" + b.Name
}

// SplitChannels reads what Channels wrote.
func SplitChannels(text string) Build {
	sets, name, _ := strings.Cut(text, "/")
	b := Build{Name: name}
	if sets != "" {
		b.ContentSets = strings.Split(sets, ",")
	}
	return b
}

// Problem is one file that an analyzer could not read, and why.
type Problem struct {
	Path     string `json:"path"`
	Analyzer string `json:"analyzer,omitempty"`
	Reason   string `json:"reason"`
}

// Stats counts what reading a layer took.
type Stats struct {
	// Compressed and Uncompressed are the sizes of the blob and of its tar in bytes.
	Compressed   int64 `json:"compressed"`
	Uncompressed int64 `json:"uncompressed"`
	// Entries is the number of tar entries, Files the number that analyzers read.
	Entries int `json:"entries"`
	Files   int `json:"files"`
}

// Sort puts everything into canonical order. When a path occurs twice in a
// layer, the later entry wins, as it does when a container runtime unpacks it.
func (l *LayerAnalysis) Sort() {
	// A file may be a source of packages in more than one ecosystem.
	l.Sets = lastByPath(l.Sets, func(s SourceSet) string { return s.Path + "\x00" + string(s.Set.Ecosystem) + "\x00" + s.namespace() })
	l.OS = lastByPath(l.OS, func(f OSFact) string { return f.Path })
	slices.SortFunc(l.Sightings, compareSightings)
	l.Sightings = slices.Compact(l.Sightings)
	slices.Sort(l.Whiteouts)
	l.Whiteouts = slices.Compact(l.Whiteouts)
	slices.Sort(l.Opaque)
	l.Opaque = slices.Compact(l.Opaque)
	slices.SortFunc(l.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Analyzer, b.Analyzer), cmp.Compare(a.Reason, b.Reason))
	})
}

// lastByPath sorts by path and keeps the last of equals.
func lastByPath[T any](items []T, path func(T) string) []T {
	slices.SortStableFunc(items, func(a, b T) int { return cmp.Compare(path(a), path(b)) })
	kept := items[:0]
	for i, item := range items {
		if i+1 == len(items) || path(items[i+1]) != path(item) {
			kept = append(kept, item)
		}
	}
	return kept
}
