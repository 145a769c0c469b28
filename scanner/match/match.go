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
	"strings"

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
	// CPEs returns the products that a content set or a build of Red Hat belongs
	// to, as the numbers that Advisory.CPEs has.
	CPEs(kind vulndb.ChannelKind, name string) ([]int, error)
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
	advisories memo[packageOf, *compiled]
	summaries  memo[ratedBy, rating]
	products   memo[string, []int]
	covered    memo[string, bool]
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
	known, err := m.known(packageOf{key.Stream, key.Name})
	if err != nil || known == nil {
		return nil, err // most packages have no advisories: nothing to remember of each version
	}
	return m.findings.get(key, func() ([]Vulnerability, error) { return known.of(key), nil })
}

// Prepare reads and compiles what the database says about the packages of the
// keys, so that Findings need not: the slow half of judging a fleet by a new
// database. It may be called from several goroutines with parts of the keys.
func (m *Matcher) Prepare(keys []Key) error {
	for _, k := range keys {
		if _, err := m.known(packageOf{k.Stream, k.Name}); err != nil {
			return err
		}
	}
	return nil
}

// of returns what concerns the version of a key.
func (c *compiled) of(key Key) []Vulnerability {
	affects := c.judge(key)
	if affects == nil {
		return nil
	}
	// Most keys have few: what is kept as long as the matcher has no room to spare.
	var few [64]int
	hits := few[:0]
	for i := range c.vulnerabilities {
		if affects(i) {
			hits = append(hits, i)
		}
	}
	if len(hits) == 0 {
		return nil
	}
	result := make([]Vulnerability, 0, len(hits))
	for _, i := range hits {
		v := c.vulnerabilities[i]
		// Several advisories about one vulnerability give one finding.
		if last := len(result) - 1; last >= 0 && result[last].ID == v.ID {
			if result[last].Fixed < v.Fixed {
				result[last] = v
			}
			continue
		}
		result = append(result, v)
	}
	return result
}

// known is what there is about a package, nil for nothing.
func (m *Matcher) known(of packageOf) (*compiled, error) {
	return m.advisories.get(of, func() (*compiled, error) {
		r := ruleOfStream(of.stream)
		if r == nil {
			return nil, nil
		}
		return m.compile(r, of)
	})
}

// compile reads the advisories of a package from all buckets of its stream; for
// one vulnerability the last bucket counts.
func (m *Matcher) compile(r *rule, of packageOf) (*compiled, error) {
	byID := map[string][]vulndb.Advisory{}
	for _, bucket := range r.buckets(of.stream, m.db.Buckets()) {
		advisories, err := m.db.Advisories(bucket, of.name)
		if err == nil && r.channels != nil {
			advisories, err = m.inChannels(r, of.stream, advisories)
		}
		if err != nil {
			return nil, err
		}
		fresh := map[string][]vulndb.Advisory{}
		for _, a := range advisories {
			fresh[a.VulnerabilityID] = append(fresh[a.VulnerabilityID], a)
		}
		maps.Copy(byID, fresh)
	}
	if len(byID) == 0 {
		return nil, nil
	}
	var advisories []vulndb.Advisory
	result := &compiled{}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		for _, a := range byID[id] {
			v, err := m.describe(r, a)
			if err != nil {
				return nil, err
			}
			advisories = append(advisories, a)
			result.vulnerabilities = append(result.vulnerabilities, v)
		}
	}
	result.judge = r.compile(advisories)
	return result, nil
}

// inChannels keeps the advisories for the products of a stream.
func (m *Matcher) inChannels(r *rule, stream string, advisories []vulndb.Advisory) ([]vulndb.Advisory, error) {
	cpes, err := m.cpes(r, stream)
	if err != nil {
		return nil, err
	}
	var kept []vulndb.Advisory
	for _, a := range advisories {
		if slices.ContainsFunc(a.CPEs, func(c int) bool { return slices.Contains(cpes, c) }) {
			kept = append(kept, a)
		}
	}
	return kept, nil
}

// cpes returns the products of a stream.
func (m *Matcher) cpes(r *rule, stream string) ([]int, error) {
	return m.products.get(stream, func() ([]int, error) {
		build := r.channels(stream)
		var all []int
		for _, set := range build.ContentSets {
			cpes, err := m.db.CPEs(vulndb.ContentSet, contentSetName(set))
			if err != nil {
				return nil, err
			}
			all = append(all, cpes...)
		}
		if build.Name != "" {
			cpes, err := m.db.CPEs(vulndb.Build, build.Name)
			if err != nil {
				return nil, err
			}
			all = append(all, cpes...)
		}
		slices.Sort(all)
		return slices.Compact(all), nil
	})
}

// contentSetName drops the major release ("__8") that builds append to the name
// of a repository; a minor one ("__9_DOT_2") is part of it.
func contentSetName(set string) string {
	name, release, found := cutLast(set, "__")
	if found && release != "" && strings.Trim(release, "0123456789") == "" {
		return name
	}
	return set
}

func cutLast(text, mark string) (before, after string, found bool) {
	i := strings.LastIndex(text, mark)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(mark):], true
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
			if set.Ecosystem.IsOS() && repeated(seen, set.Ecosystem, p) {
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
	return slices.CompactFunc(result, sameFinding), nil
}

// repeated reports whether a package of the operating system was met before: it
// may be declared in several databases. Only rpm's advisories tell architectures
// apart.
func repeated(seen map[inventory.Package]bool, e inventory.Ecosystem, p inventory.Package) bool {
	at := inventory.Package{Name: p.Name, Version: p.Version}
	if e == inventory.Rpm {
		at.Arch = p.Arch
	}
	if seen[at] {
		return true
	}
	seen[at] = true
	return false
}

// sameFinding compares neighbours: the same vulnerability of a package that is
// installed for two architectures is one finding, unless each is repaired by
// another version.
func sameFinding(a, b Finding) bool {
	return compareFindings(a, b) == 0
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
		cmp.Compare(a.Fixed, b.Fixed),
	)
}
