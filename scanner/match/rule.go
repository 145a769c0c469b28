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
	// subject tells what of a package advisories speak of.
	subject func(inventory.Package) (subject, bool)
	// buckets names the buckets of a stream among those that there are, in the
	// order in which a later one overrides an earlier one.
	buckets func(stream string, all []string) []string
	// compile prepares a package's advisories for the comparison with many versions.
	compile func([]vulndb.Advisory) judge
	// fixed returns the versions that repair what the advisory says.
	fixed func(vulndb.Advisory) string
	// ownSeverity is the data source whose severity for the package beats the
	// record's; empty where there is none.
	ownSeverity string
	// ownStatus is set where the vendor's word on what it will not fix counts.
	ownStatus bool
	// thirdParties is set where advisories also speak of packages that the
	// distribution did not make.
	thirdParties bool
	// channels is set where only some of a bucket's advisories concern a stream.
	channels func(stream string) inventory.Build
}

// subject is what advisories of one stream speak of. The architecture is set
// only where advisories depend on it.
type subject struct{ name, version, arch string }

// judge takes an installed version and returns a function that tells whether
// the i-th of the advisories concerns it; nil when the version cannot be read.
type judge func(installed Key) (affects func(i int) bool)

// ruleFor returns nil when nothing is known of the ecosystem in that family.
func ruleFor(e inventory.Ecosystem, family string) *rule {
	switch e {
	case inventory.Apk:
		return apkRule(family)
	case inventory.Dpkg:
		return dpkgRule(family)
	case inventory.Rpm:
		return rpmRule(family)
	}
	return languageRule(e)
}

// ruleOfStream finds the rule again by the stream that it named.
func ruleOfStream(stream string) *rule {
	family, _, _ := strings.Cut(stream, " ")
	switch family {
	case "alpine", "wolfi", "chainguard", "minimos":
		return apkRule(family)
	case "debian", "ubuntu", "echo":
		return dpkgRule(family)
	case "alma", "rocky", "redhat", "bottlerocket":
		return rpmRule(family)
	case "amazon":
		return rpmRule("amazon")
	case "Oracle":
		return rpmRule("oracle")
	case "Photon":
		return rpmRule("photon")
	case "CBL-Mariner", "Azure":
		return rpmRule("azurelinux")
	case "SUSE", "openSUSE":
		return rpmRule("sles")
	}
	return languageRule(inventory.Ecosystem(stream))
}

func apkRule(family string) *rule {
	r := &rule{subject: ofSource, buckets: bucketOfStream, compile: compileApk, fixed: fixedVersion}
	switch family {
	case "alpine":
		r.stream = alpineStream
	case "wolfi", "chainguard", "minimos":
		// Rolling distributions: one stream, and advisories always name the fix.
		r.stream = func(inventory.OS) string { return family }
		r.compile = compileRollingApk
	default:
		return nil
	}
	return r
}

func dpkgRule(family string) *rule {
	r := &rule{subject: ofSource, buckets: bucketOfStream, compile: compileDeb, fixed: fixedVersion}
	switch family {
	case "debian":
		// Debian rates a vulnerability for each package by itself.
		r.stream, r.ownSeverity, r.ownStatus = debianStream, "debian", true
	case "ubuntu":
		r.stream = ubuntuStream
	case "echo":
		// Echo has no releases, and repairs software that Debian does not have.
		r.stream = func(inventory.OS) string { return family }
		r.ownSeverity, r.ownStatus, r.thirdParties = "echo", true, true
	default:
		return nil
	}
	return r
}

func sameName(name string) string { return name }

// ofSource judges by the source package.
func ofSource(p inventory.Package) (subject, bool) {
	name, version := p.Source()
	return subject{name: name, version: version}, true
}

func fixedVersion(a vulndb.Advisory) string { return a.FixedVersion }

func bucketOfStream(stream string, all []string) []string {
	if _, found := slices.BinarySearch(all, stream); found {
		return []string{stream}
	}
	return nil
}

// alpineStream prefers the configured repositories over the release: that is
// where packages come from. Only major and minor name a branch.
func alpineStream(os inventory.OS) string {
	if os.Repository != "" {
		return "alpine " + branch(os.Repository)
	}
	return "alpine " + branch(os.Version)
}

func debianStream(os inventory.OS) string { return "debian " + major(os.Version) }

// ubuntuStream names the advisories of extended maintenance where it is enabled
// and the release is old enough to have them.
func ubuntuStream(os inventory.OS) string {
	if os.Extended && slices.Contains([]string{"12.04", "14.04", "16.04", "18.04", "20.04"}, os.Version) {
		return "ubuntu " + os.Version + "-ESM"
	}
	return "ubuntu " + os.Version
}

// major cuts "8.4" down to "8".
func major(version string) string {
	first, _, _ := strings.Cut(version, ".")
	return first
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
