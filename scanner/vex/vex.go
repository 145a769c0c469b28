// Package vex reads what somebody who knows better says about findings: VEX
// documents (OpenVEX, CSAF, CycloneDX) and lists of accepted ids in the manner
// of .trivyignore. It judges single findings by them and changes nothing: a
// finding keeps its place and gets a mark, so that nothing stored has to change
// because time passed or a document was withdrawn.
package vex

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/muster-sec/muster/scanner/purl"
)

// Errors of the readers, beside those of package limit.
var (
	// ErrFormat says that a document is none of the known kinds.
	ErrFormat = errors.New("vex: not OpenVEX, CSAF VEX or CycloneDX")
	// ErrMalformed says that a document is of a known kind and breaks its rules.
	ErrMalformed = errors.New("vex: malformed document")
)

// Status is what a statement says of a finding. All but Accepted are the words
// of OpenVEX.
type Status string

// The statuses.
const (
	NotAffected        Status = "not_affected"
	Affected           Status = "affected"
	Fixed              Status = "fixed"
	UnderInvestigation Status = "under_investigation"
	// Accepted is the status of an entry of an ignore file: the finding is true,
	// and its owner lives with it.
	Accepted Status = "accepted"
)

// Settles reports whether a finding with this status needs no more attention.
func (s Status) Settles() bool { return s == NotAffected || s == Fixed || s == Accepted }

// Mark is what a finding gets.
type Mark struct {
	Status Status `json:"status"`
	// Justification is the document's code for the reason
	// ("vulnerable_code_not_present"), Statement its text.
	Justification string `json:"justification,omitempty"`
	Statement     string `json:"statement,omitempty"`
	// Source names the document.
	Source string `json:"source,omitempty"`
	// Until is when the mark ends; nil means never.
	Until *time.Time `json:"until,omitempty"`
}

// Kind is what a statement speaks of.
type Kind string

// The kinds.
const (
	Vulnerability Kind = "vulnerability"
	Secret        Kind = "secret"
	Check         Kind = "check"
)

// Statement is one sentence of a document.
type Statement struct {
	Kind Kind
	// IDs are the names of what it is about; one is enough to match.
	IDs []string
	// Products are what it is about; none means everything.
	Products []Product
	// Paths are patterns of files, none means all; * stays within a folder and
	// ** does not.
	Paths []string
	Mark  Mark
	// Issued is when it was said; the latest word counts. Zero is the oldest.
	Issued time.Time
}

// Product is what a statement is about. Image and Package are package URLs, and
// both have to match where both are given.
type Product struct {
	// Image is a package URL of type oci, or a digest.
	Image string
	// Package is a package URL, with a version or without.
	Package string
}

// Subject is one finding as statements see it.
type Subject struct {
	Kind Kind
	ID   string
	// Package and Image are package URLs; Digests name the image.
	Package, Image string
	Digests        []string
	// Path is the file that declares the package or holds the secret.
	Path string
}

// Set is the statements of all documents. It is immutable and safe for
// concurrent use.
type Set struct {
	byID map[string][]entry
	all  []Statement
}

type entry struct {
	Statement
	paths []pattern
}

// NewSet returns a set of the statements. What the site itself accepts stands
// above what vendors say; among equals the latest statement counts, and of
// those of one time the last.
func NewSet(statements []Statement) *Set {
	ordered := slices.Clone(statements)
	slices.SortStableFunc(ordered, func(a, b Statement) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Issued.Compare(b.Issued))
	})
	s := &Set{byID: map[string][]entry{}, all: statements}
	for _, st := range ordered {
		e := entry{Statement: st}
		for _, p := range st.Paths {
			e.paths = append(e.paths, compilePattern(p))
		}
		for _, id := range st.IDs {
			key := strings.ToUpper(id)
			s.byID[key] = append(s.byID[key], e)
		}
	}
	return s
}

func rank(s Statement) int {
	if s.Mark.Status == Accepted {
		return 1
	}
	return 0
}

// Judge returns the mark of a finding at a time; false when nothing is said of
// it. A nil set says nothing.
func (s *Set) Judge(subject Subject, now time.Time) (Mark, bool) {
	if s == nil {
		return Mark{}, false
	}
	entries := s.byID[strings.ToUpper(subject.ID)]
	for _, e := range slices.Backward(entries) {
		if e.Kind == subject.Kind && !e.expired(now) && e.about(subject) {
			return e.Mark, true
		}
	}
	return Mark{}, false
}

// Expired returns the statements whose time is over, in the order of their
// documents: somebody should look at them again.
func (s *Set) Expired(now time.Time) []Statement {
	if s == nil {
		return nil
	}
	var result []Statement
	for _, st := range s.all {
		if st.expired(now) {
			result = append(result, st)
		}
	}
	return result
}

func (s Statement) expired(now time.Time) bool {
	return s.Mark.Until != nil && !now.Before(*s.Mark.Until)
}

func (e entry) about(subject Subject) bool {
	if len(e.paths) > 0 && !slices.ContainsFunc(e.paths, func(p pattern) bool { return p.matches(subject.Path) }) {
		return false
	}
	return len(e.Products) == 0 || slices.ContainsFunc(e.Products, func(p Product) bool { return p.covers(subject) })
}

// covers needs something to compare: an empty product is no product.
func (p Product) covers(s Subject) bool {
	if p == (Product{}) {
		return false
	}
	if p.Package != "" && (s.Package == "" || !purl.Covers(p.Package, s.Package)) {
		return false
	}
	return p.Image == "" || slices.Contains(s.Digests, p.Image) || s.Image != "" && purl.Covers(p.Image, s.Image)
}
