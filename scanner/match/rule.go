package match

import (
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// rule says how one distribution or language matches packages to advisories.
// The functions are pure.
type rule struct {
	// stream names the release whose advisories apply.
	stream func(inventory.OS) string
	// name brings a package's name into the form that advisories use.
	name func(string) string
	// buckets names the buckets of a stream among those that there are, in the
	// order in which a later one overrides an earlier one.
	buckets func(stream string, all []string) []string
	// compile prepares a package's advisories for the comparison with many versions.
	compile func([]vulndb.Advisory) judge
	// fixed returns the versions that repair what the advisory says.
	fixed func(vulndb.Advisory) string
	// ownSeverity is set where the advisory's own severity beats the record's.
	ownSeverity bool
}

// judge takes an installed version and returns a function that tells whether
// the i-th of the advisories concerns it; nil when the version cannot be read.
type judge func(version string) (affects func(i int) bool)

// ruleFor returns nil when nothing is known of the ecosystem in that family.
func ruleFor(e inventory.Ecosystem, family string) *rule {
	switch {
	case e == inventory.NPM:
		return &rule{
			stream: func(inventory.OS) string { return "npm" }, name: strings.ToLower, buckets: bucketsByPrefix,
			compile: compileNPM, fixed: fixedOfRanges,
		}
	case e == inventory.Apk && family == "alpine":
		return &rule{
			stream: alpineStream, name: sameName, buckets: bucketOfStream,
			compile: compileApk, fixed: fixedVersion,
		}
	case e == inventory.Dpkg && family == "debian":
		return &rule{
			stream: debianStream, name: sameName, buckets: bucketOfStream,
			compile: compileDeb, fixed: fixedVersion, ownSeverity: true,
		}
	case e == inventory.Dpkg && family == "ubuntu":
		return &rule{
			stream: ubuntuStream, name: sameName, buckets: bucketOfStream,
			compile: compileDeb, fixed: fixedVersion,
		}
	}
	return nil
}

// ruleOfStream finds the rule again by the stream that it named.
func ruleOfStream(stream string) *rule {
	family, _, _ := strings.Cut(stream, " ")
	switch family {
	case "npm":
		return ruleFor(inventory.NPM, "")
	case "alpine":
		return ruleFor(inventory.Apk, family)
	case "debian", "ubuntu":
		return ruleFor(inventory.Dpkg, family)
	}
	return nil
}

func sameName(name string) string { return name }

func fixedVersion(a vulndb.Advisory) string { return a.FixedVersion }

func bucketOfStream(stream string, all []string) []string {
	if _, found := slices.BinarySearch(all, stream); found {
		return []string{stream}
	}
	return nil
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

// alpineStream prefers the configured repositories over the release: that is
// where packages come from. Only major and minor name a branch.
func alpineStream(os inventory.OS) string {
	if os.Repository != "" {
		return "alpine " + branch(os.Repository)
	}
	return "alpine " + branch(os.Version)
}

func debianStream(os inventory.OS) string {
	major, _, _ := strings.Cut(os.Version, ".")
	return "debian " + major
}

// ubuntuStream names the advisories of extended maintenance where it is enabled
// and the release is old enough to have them.
func ubuntuStream(os inventory.OS) string {
	if os.Extended && slices.Contains([]string{"12.04", "14.04", "16.04", "18.04", "20.04"}, os.Version) {
		return "ubuntu " + os.Version + "-ESM"
	}
	return "ubuntu " + os.Version
}

// branch cuts "3.17.10" down to "3.17".
func branch(version string) string {
	major, rest, ok := strings.Cut(version, ".")
	if !ok {
		return version
	}
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}
