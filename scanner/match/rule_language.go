package match

import (
	"slices"
	"strings"

	gem "github.com/aquasecurity/go-gem-version"
	npm "github.com/aquasecurity/go-npm-version/pkg"
	pep440 "github.com/aquasecurity/go-pep440-version"
	generic "github.com/aquasecurity/go-version/pkg/version"
	bitnami "github.com/bitnami/go-version/pkg/version"
	maven "github.com/masahiro331/go-mvn-version"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// languageRule is the rule of a language's packages, nil where the database has
// no advisories for them.
func languageRule(e inventory.Ecosystem) *rule {
	r := &rule{
		stream: func(inventory.OS) string { return string(e) }, buckets: bucketsByPrefix, fixed: fixedOfRanges,
	}
	name := strings.ToLower
	switch e {
	case inventory.NPM:
		r.compile = compileRanges(npm.NewVersion, func(text string) (npm.Constraints, error) {
			return npm.NewConstraints(text, npm.WithPreRelease(true))
		})
	case inventory.Python:
		name = pythonName
		r.compile = compileRanges(pep440.Parse, func(text string) (pep440.Specifiers, error) {
			return pep440.NewSpecifiers(text, pep440.WithPreRelease(true))
		})
	case inventory.Gem:
		r.compile = compileRanges(parseGem, parseGemRanges)
	case inventory.CocoaPods:
		name = sameName
		r.compile = compileRanges(parseGem, parseGemRanges) // its guides give it the order and ranges of gems
	case inventory.Java:
		r.compile = compileRanges(maven.NewVersion, maven.NewComparer)
	case inventory.Bitnami:
		r.compile = compileRanges(bitnami.Parse, func(text string) (bitnami.Constraints, error) { return bitnami.NewConstraints(text) })
	case inventory.Go, inventory.Julia:
		name = sameName // names of modules and packages are case-sensitive
		r.compile = compileRanges(generic.Parse, newGenericConstraints)
	case inventory.Swift:
		name = swiftName
		r.compile = compileRanges(generic.Parse, newGenericConstraints)
	case inventory.Rust, inventory.Composer, inventory.NuGet, inventory.Conan, inventory.Erlang, inventory.Pub:
		r.compile = compileRanges(generic.Parse, newGenericConstraints)
	default:
		return nil
	}
	r.subject = func(p inventory.Package) (subject, bool) {
		return subject{name: name(p.Name), version: p.Version}, p.Version != ""
	}
	return r
}

// gemRanges is text: the library changes versions while it compares them, so each
// comparison has to have its own.
type gemRanges string

func parseGem(text string) (string, error) {
	_, err := gem.NewVersion(text)
	return text, err
}

func parseGemRanges(text string) (gemRanges, error) {
	_, err := gem.NewConstraints(text)
	return gemRanges(text), err
}

// Check implements ranges. Both texts were parsed before.
func (r gemRanges) Check(version string) bool {
	have, err := gem.NewVersion(version)
	if err != nil {
		return false
	}
	constraints, err := gem.NewConstraints(string(r))
	return err == nil && constraints.Check(have)
}

func newGenericConstraints(text string) (generic.Constraints, error) {
	return generic.NewConstraints(text)
}

// swiftName: packages are named by where their source lies, with or without what
// makes it an address.
func swiftName(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, "https://"), ".git")
}

// pythonName: case does not matter and an underscore is a hyphen (PEP 426).
func pythonName(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// bucketsByPrefix returns all data sources of a language: "npm::SOURCE".
func bucketsByPrefix(stream string, all []string) []string {
	first, _ := slices.BinarySearch(all, stream+"::")
	last := first
	for last < len(all) && strings.HasPrefix(all[last], stream+"::") {
		last++
	}
	return all[first:last]
}

// ranges tells whether a version lies in ranges of versions.
type ranges[V any] interface{ Check(V) bool }

// compileRanges returns how to compile advisories of version ranges, given how
// the language parses versions and ranges.
func compileRanges[V any, R ranges[V]](parse func(string) (V, error), parseRanges func(string) (R, error)) func([]vulndb.Advisory) judge {
	return func(advisories []vulndb.Advisory) judge {
		affected := make([]func(V) bool, 0, len(advisories))
		for _, a := range advisories {
			affected = append(affected, affectedRanges[V](a, parseRanges))
		}
		return func(k Key) func(int) bool {
			have, err := parse(k.Version)
			// An advisory for every version concerns even one that cannot be read.
			return func(i int) bool { return everyVersion(advisories[i]) || err == nil && affected[i](have) }
		}
	}
}

// everyVersion reports whether a range of the advisory is empty: that means every version.
func everyVersion(a vulndb.Advisory) bool {
	return slices.Contains(a.VulnerableVersions, "") || slices.Contains(a.PatchedVersions, "")
}

// affectedRanges: a version is affected when it lies in the vulnerable ranges (if
// there are any) and not in the patched or unaffected ones. A range that cannot
// be parsed affects none.
func affectedRanges[V any, R ranges[V]](a vulndb.Advisory, parse func(string) (R, error)) func(V) bool {
	never := func(V) bool { return false }
	vulnerable, err := joined[V](a.VulnerableVersions, parse)
	if err != nil {
		return never
	}
	safe, err := joined[V](slices.Concat(a.PatchedVersions, a.UnaffectedVersions), parse)
	if err != nil || vulnerable == nil && safe == nil {
		return never
	}
	return func(have V) bool {
		return (vulnerable == nil || vulnerable.Check(have)) && (safe == nil || !safe.Check(have))
	}
}

// joined parses alternatives; nil when there are none.
func joined[V any, R ranges[V]](texts []string, parse func(string) (R, error)) (ranges[V], error) {
	if len(texts) == 0 {
		return nil, nil
	}
	return parse(strings.Join(texts, " || "))
}

// fixedOfRanges returns the patched versions, or the upper ends of the
// vulnerable ranges where no patched versions are given.
func fixedOfRanges(a vulndb.Advisory) string {
	fixed := slices.Clone(a.PatchedVersions)
	if len(fixed) == 0 {
		for _, r := range a.VulnerableVersions {
			for part := range strings.SplitSeq(r, ",") {
				end, ok := strings.CutPrefix(strings.TrimSpace(part), "<")
				if ok && !strings.HasPrefix(end, "=") {
					fixed = append(fixed, strings.TrimSpace(end))
				}
			}
		}
	}
	var unique []string
	for _, v := range fixed {
		if !slices.Contains(unique, v) {
			unique = append(unique, v)
		}
	}
	return strings.Join(unique, ", ")
}
