// Package match compares what is installed with what a vulnerability database
// says, and yields what Trivy would report on the same database. Findings belong
// to match keys (package versions), not to images: equal keys are computed once
// per database and shared by all images that contain them.
package match

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// Database is what matching reads. *vulndb.DB is one.
type Database interface {
	// Buckets returns the names of all buckets of advisories, sorted.
	Buckets() []string
	// Advisories returns what a bucket says about a package, by vulnerability.
	Advisories(bucket, pkg string) ([]vulndb.Advisory, error)
	// Detail returns what is known about a vulnerability.
	Detail(id string) (vulndb.Detail, bool, error)
}

var _ Database = (*vulndb.DB)(nil)

// Sets looks up a package set by its name.
type Sets func(inventory.SetID) (inventory.PackageSet, bool)

// Matcher matches packages against one revision of a database. It remembers
// what it computed and lives as long as that revision. It is safe for
// concurrent use.
type Matcher struct {
	db         Database
	findings   memo[Key, []Vulnerability]
	advisories memo[packageOf, compiled]
	summaries  memo[ratedBy, rating]
}

// packageOf names a package in a stream, in all its versions.
type packageOf struct{ stream, name string }

// compiled are the advisories of a package, ready to be compared with versions.
type compiled struct {
	judge judge
	// vulnerabilities are what to report, by advisory, sorted by id.
	vulnerabilities []Vulnerability
}

// New returns a matcher over the database, which must stay open while the
// matcher is used.
func New(db Database) *Matcher { return &Matcher{db: db} }

// Findings returns the vulnerabilities of a key, sorted by id. The slice is
// shared: the caller must not change it. A version that its ecosystem's rules
// do not understand has none. An error means that the database could not be read.
func (m *Matcher) Findings(key Key) ([]Vulnerability, error) {
	return m.findings.get(key, func() ([]Vulnerability, error) { return m.compute(key) })
}

// Prepare reads and compiles what the database says about the packages of the
// keys, so that Findings need not: the slow half of judging a fleet by a new
// database. It may be called from several goroutines with parts of the keys.
func (m *Matcher) Prepare(keys []Key) error {
	for _, k := range keys {
		if r := ruleOfStream(k.Stream); r != nil {
			if _, err := m.known(r, packageOf{k.Stream, k.Name}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Matcher) compute(key Key) ([]Vulnerability, error) {
	r := ruleOfStream(key.Stream)
	if r == nil {
		return nil, nil
	}
	known, err := m.known(r, packageOf{key.Stream, key.Name})
	if err != nil || len(known.vulnerabilities) == 0 {
		return nil, err
	}
	affects := known.judge(key.Version)
	if affects == nil {
		return nil, nil
	}
	var result []Vulnerability
	for i, v := range known.vulnerabilities {
		if affects(i) {
			result = append(result, v)
		}
	}
	return slices.Clip(result), nil
}

func (m *Matcher) known(r *rule, of packageOf) (compiled, error) {
	return m.advisories.get(of, func() (compiled, error) { return m.compile(r, of) })
}

// compile reads the advisories of a package from all buckets of its stream; for
// one vulnerability the last bucket counts.
func (m *Matcher) compile(r *rule, of packageOf) (compiled, error) {
	byID := map[string]vulndb.Advisory{}
	for _, bucket := range r.buckets(of.stream, m.db.Buckets()) {
		advisories, err := m.db.Advisories(bucket, of.name)
		if err != nil {
			return compiled{}, err
		}
		for _, a := range advisories {
			byID[a.VulnerabilityID] = a
		}
	}
	var advisories []vulndb.Advisory
	var result compiled
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		v, err := m.describe(r, byID[id])
		if err != nil {
			return compiled{}, err
		}
		advisories = append(advisories, byID[id])
		result.vulnerabilities = append(result.vulnerabilities, v)
	}
	result.judge = r.compile(advisories)
	return result, nil
}

// Image returns the findings of an image, sorted by package, vulnerability and
// path. It fails when a package set is missing or the database cannot be read.
func (m *Matcher) Image(inv inventory.Inventory, sets Sets) ([]Finding, error) {
	var result []Finding
	seen := map[inventory.Package]bool{}
	for _, source := range inv.Sources {
		set, ok := sets(source.Set)
		if !ok {
			return nil, fmt.Errorf("match: package set %s of %s is missing", source.Set, inv.Image.Digest)
		}
		for i, p := range set.Packages {
			if set.Ecosystem.IsOS() && repeated(seen, p) {
				continue
			}
			key, ok := KeyOf(p, set.Ecosystem, inv.OS)
			if !ok {
				continue
			}
			vulnerabilities, err := m.Findings(key)
			if err != nil {
				return nil, err
			}
			for _, v := range vulnerabilities {
				result = append(result, Finding{
					Vulnerability: v, Package: p.Name, Installed: p.Version, Ecosystem: set.Ecosystem,
					Layer: layerOf(inv.Image, source.Origin(i)), Path: cmp.Or(p.Path, source.Path),
				})
			}
		}
	}
	slices.SortFunc(result, compareFindings)
	return result, nil
}

// repeated reports whether a package of the operating system was met before: it
// may be declared in several databases, or for several architectures.
func repeated(seen map[inventory.Package]bool, p inventory.Package) bool {
	at := inventory.Package{Name: p.Name, Version: p.Version}
	if seen[at] {
		return true
	}
	seen[at] = true
	return false
}

func layerOf(image inventory.Image, i int) string {
	if i < 0 || i >= len(image.Layers) {
		return ""
	}
	return image.Layers[i].DiffID
}

func compareFindings(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.Ecosystem, b.Ecosystem),
		cmp.Compare(a.Package, b.Package),
		cmp.Compare(a.Installed, b.Installed),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Path, b.Path),
	)
}
