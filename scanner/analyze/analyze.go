// Package analyze says what an analyzer is: something that recognises the files
// of one package manager (or of the operating system's release) while a layer
// streams by, and turns them into package sets. There is one package per
// ecosystem below it, and package all lists them.
package analyze

import (
	"hash/maphash"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// File describes a regular file of a layer before it is read.
type File struct {
	// Path is slash-separated, clean, and has no leading slash.
	Path string
	Size int64
	Mode fs.FileMode
}

// Analyzer recognises the files of one ecosystem. It holds no state of a layer
// and is safe for concurrent use.
type Analyzer interface {
	// Name is a word, unique among analyzers. Together with Version it is part
	// of the key under which a layer's analysis is kept.
	Name() string
	// Version grows when the same file may give another result than before.
	Version() int
	// Required reports whether the analyzer wants to read the file. It is asked
	// for every regular file of every layer and must be fast.
	Required(File) bool
	// Begin starts the analysis of one layer.
	Begin() Run
}

// Streamer is an Analyzer that reads files of any size within bounds of its own,
// and keeps no more than MaxPackages of a layer: the bounds on the size of a file
// and on the sum of all files of a layer do not apply to it.
type Streamer interface {
	Analyzer
	// Streams reports whether it does.
	Streams() bool
}

// MaxPackages bounds the packages that one analyzer takes from one layer: with
// it, the memory for what is found has a ceiling. The largest images seen have
// some ten thousand.
const MaxPackages = 200_000

// Glancer is an Analyzer that looks at a file's name, size and mode and never at
// its content: its Read gets an empty reader, and nothing is counted.
type Glancer interface {
	Analyzer
	// Glances reports whether it does.
	Glances() bool
}

// Seeker is an Analyzer that looks for noteworthy files that are no packages.
type Seeker interface {
	Analyzer
	// Seeks tells what its sightings are.
	Seeks() inventory.SightingKind
}

// Run is the analysis of one layer by one analyzer. It is used by one goroutine.
type Run interface {
	// Read reads one file. The reader is only valid during the call; what is left
	// unread is skipped. Package spool takes it into memory where that is needed. An error says that this file could not be
	// understood; it is reported beside the result and the layer goes on.
	Read(File, io.Reader) error
	// Result is called once, after the last file of the layer.
	Result() Result
}

// Result is what a run found.
type Result struct {
	Sets []inventory.SourceSet
	OS   []inventory.OSFact
	// Sightings are noteworthy files that are no packages.
	Sightings []inventory.Sighting
	// Build is what the layer says about its own making, nil if nothing.
	Build *inventory.Build
	// Owned are the files that belong to packages of the operating system. A
	// language package that lies in such a file is dropped: the distribution
	// patches it without changing its version, and its own advisories count.
	Owned *PathSet
}

// Fingerprint names a list of analyzers by their names and versions, whatever
// their order: "apk/1,dpkg/2".
func Fingerprint(analyzers []Analyzer) string {
	words := make([]string, 0, len(analyzers))
	for _, a := range analyzers {
		words = append(words, a.Name()+"/"+strconv.Itoa(a.Version()))
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

// PathSet remembers paths in eight bytes each, because a distribution's layer
// may own a hundred thousand files. The hash is seeded at random, so that nobody
// can construct a path that collides. The zero PathSet is not usable. It is not
// safe for concurrent use.
type PathSet struct {
	seed maphash.Seed
	seen map[PathHash]struct{}
}

// PathHash stands for a path in the PathSet that made it.
type PathHash uint64

// NewPathSet returns an empty set.
func NewPathSet() *PathSet {
	return &PathSet{seed: maphash.MakeSeed(), seen: map[PathHash]struct{}{}}
}

// Hash returns what stands for a path (clean, without a leading slash) in this set.
func (s *PathSet) Hash(path string) PathHash { return PathHash(maphash.String(s.seed, path)) }

// Add adds paths by their hashes.
func (s *PathSet) Add(hashes ...PathHash) {
	for _, h := range hashes {
		s.seen[h] = struct{}{}
	}
}

// Has reports whether the path is in the set; a nil set has none.
func (s *PathSet) Has(path string) bool {
	if s == nil {
		return false
	}
	_, ok := s.seen[s.Hash(path)]
	return ok
}
