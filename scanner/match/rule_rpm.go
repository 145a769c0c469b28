package match

import (
	"slices"
	"strings"

	deb "github.com/knqyf263/go-deb-version"
	rpm "github.com/knqyf263/go-rpm-version"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// rpmRule is the rule of a distribution with rpm packages. Most publish
// advisories by binary package.
func rpmRule(family string) *rule {
	r := &rule{subject: ofBinary, buckets: bucketOfStream, compile: compileRpm, fixed: fixedVersion}
	switch family {
	case "alma":
		r.stream, r.subject, r.fixed = byMajor("alma"), ofAlma, normalRpm
	case "bottlerocket":
		// The system is updated as a whole: advisories know no releases.
		r.stream = func(inventory.OS) string { return family }
	case "rocky":
		r.stream, r.subject, r.compile, r.fixed = byMajor("rocky"), ofModuleAndArch, compileRpmByArch, normalRpm
	case "oracle":
		r.stream, r.subject, r.compile = byMajor("Oracle Linux"), ofArch, compileOracle
	case "redhat", "centos":
		r.stream, r.subject, r.compile, r.fixed = byMajor("redhat"), ofModuleAndArch, compileRedHat, normalRpm
		r.buckets, r.channels, r.ownSeverity, r.ownStatus = bucketOfRedHat, redHatChannels, "redhat", true
	case "amazon":
		// Trivy compares these versions by Debian's rules, and so must we.
		r.stream, r.compile = amazonStream, compileAmazon
	case "photon":
		r.stream, r.subject = func(os inventory.OS) string { return "Photon OS " + os.Version }, ofPhoton
	case "azurelinux", "cbl-mariner":
		r.stream, r.subject, r.compile, r.fixed = azureStream(family), ofRpmSource, compileOpenRpm, normalRpm
	case "sles", "slem", "opensuse-leap", "opensuse-tumbleweed":
		r.stream = suseStream(family)
	default:
		return nil
	}
	return r
}

func byMajor(prefix string) func(inventory.OS) string {
	return func(os inventory.OS) string { return prefix + " " + major(os.Version) }
}

// amazonStream: whatever is not a later release is the first Amazon Linux, whose
// releases were numbered by date.
func amazonStream(os inventory.OS) string {
	first, _, _ := strings.Cut(strings.TrimSpace(os.Version), " ")
	switch release := major(first); release {
	case "2", "2022", "2023":
		return "amazon linux " + release
	}
	return "amazon linux 1"
}

func azureStream(family string) func(inventory.OS) string {
	name := "Azure Linux "
	if family == "cbl-mariner" {
		name = "CBL-Mariner "
	}
	return func(os inventory.OS) string { return name + branch(os.Version) }
}

func suseStream(family string) func(inventory.OS) string {
	return func(os inventory.OS) string {
		switch family {
		case "opensuse-tumbleweed":
			return "openSUSE Tumbleweed"
		case "opensuse-leap":
			return "openSUSE Leap " + os.Version
		case "slem":
			return "SUSE Linux Enterprise Micro " + os.Version
		}
		return "SUSE Linux Enterprise " + os.Version
	}
}

// bucketOfRedHat: all of Red Hat's products share a bucket; channels choose.
func bucketOfRedHat(_ string, all []string) []string { return bucketOfStream("Red Hat", all) }

// redHatChannels are the content sets of a stream: those that the stream names
// ("redhat 8 SETS/BUILD"), or those of a plain release, because an image that
// was not made by Red Hat does not tell.
func redHatChannels(stream string) inventory.Build {
	_, rest, _ := strings.Cut(stream, " ")
	release, channels, told := strings.Cut(rest, " ")
	if told {
		return inventory.SplitChannels(channels)
	}
	switch release {
	case "6", "7":
		prefix := "rhel-" + release + "-server-"
		return inventory.Build{ContentSets: []string{prefix + "rpms", prefix + "extras-rpms"}}
	case "8", "9":
		prefix := "rhel-" + release + "-for-x86_64-"
		return inventory.Build{ContentSets: []string{prefix + "baseos-rpms", prefix + "appstream-rpms"}}
	}
	return inventory.Build{}
}

// signingKey is no package: rpm lists the keys it trusts under this name.
const signingKey = "gpg-pubkey"

func ofBinary(p inventory.Package) (subject, bool) {
	return subject{name: p.Name, version: p.Version}, p.Name != signingKey
}

func ofArch(p inventory.Package) (subject, bool) {
	return subject{name: p.Name, version: p.Version, arch: p.Arch}, p.Name != signingKey
}

// ofModuleAndArch: a package of a module is known as "module:stream::name".
func ofModuleAndArch(p inventory.Package) (subject, bool) {
	return subject{name: inModule(p), version: p.Version, arch: p.Arch}, p.Name != signingKey
}

// ofAlma leaves out packages that were built for a module and do not say for
// which (https://bugs.almalinux.org/view.php?id=173).
func ofAlma(p inventory.Package) (subject, bool) {
	lost := p.Module == "" && strings.Contains(releaseOf(p.Version), ".module_el")
	return subject{name: inModule(p), version: p.Version}, p.Name != signingKey && !lost
}

// ofPhoton: advisories name source packages and versions of binary ones.
func ofPhoton(p inventory.Package) (subject, bool) {
	name, _ := p.Source()
	return subject{name: name, version: p.Version}, p.Name != signingKey
}

func ofRpmSource(p inventory.Package) (subject, bool) {
	s, _ := ofSource(p)
	return s, p.Name != signingKey
}

func inModule(p inventory.Package) string {
	if p.Module == "" {
		return p.Name
	}
	return p.Module + "::" + p.Name
}

func releaseOf(version string) string { return version[strings.LastIndexByte(version, '-')+1:] }

// normalRpm writes the fixed version without an epoch of zero.
func normalRpm(a vulndb.Advisory) string {
	if a.FixedVersion == "" {
		return ""
	}
	return rpm.NewVersion(a.FixedVersion).String()
}

func parseRpm(version string) (rpm.Version, error) { return rpm.NewVersion(version), nil }

func lessRpm(a, b rpm.Version) bool { return a.LessThan(b) }

// compileRpm: an advisory without a fixed version concerns nobody.
func compileRpm(advisories []vulndb.Advisory) judge {
	b := newBounds(advisories, parseRpm, lessRpm)
	b.ignoreUnfixed()
	return func(k Key) func(int) bool { return b.below(rpm.NewVersion(k.Version)) }
}

// compileOpenRpm: an advisory without a fixed version concerns every version.
func compileOpenRpm(advisories []vulndb.Advisory) judge {
	b := newBounds(advisories, parseRpm, lessRpm)
	return func(k Key) func(int) bool { return b.below(rpm.NewVersion(k.Version)) }
}

func compileAmazon(advisories []vulndb.Advisory) judge {
	b := newBounds(advisories, deb.NewVersion, func(x, y deb.Version) bool { return x.LessThan(y) })
	b.ignoreUnfixed()
	return func(k Key) func(int) bool {
		have, err := deb.NewVersion(k.Version)
		if err != nil {
			return nil
		}
		return b.below(have)
	}
}

// compileRpmByArch is compileRpm for advisories that name architectures. One
// that names none is of an old database and concerns all.
func compileRpmByArch(advisories []vulndb.Advisory) judge {
	plain := compileRpm(advisories)
	return func(k Key) func(int) bool {
		below := plain(k)
		return func(i int) bool { return concernsArch(advisories[i], k.Arch) && below(i) }
	}
}

func concernsArch(a vulndb.Advisory, arch string) bool {
	return len(a.Arches) == 0 || slices.Contains(a.Arches, arch)
}

// compileOracle also keeps the flavours apart: a package built for live patching
// or FIPS is repaired by versions of its own flavour only.
func compileOracle(advisories []vulndb.Advisory) judge {
	plain := compileRpmByArch(advisories)
	return func(k Key) func(int) bool {
		below, have := plain(k), flavour(releaseOf(k.Version))
		return func(i int) bool { return flavour(advisories[i].FixedVersion) == have && below(i) }
	}
}

func flavour(version string) string {
	version = strings.ToLower(version)
	if strings.HasSuffix(version, "_fips") {
		return "fips"
	}
	for part := range strings.SplitSeq(version, ".") {
		if strings.HasPrefix(part, "ksplice") {
			return "ksplice"
		}
	}
	return ""
}

// compileRedHat: a vulnerability may have several advisories, for different
// streams and architectures; the one with the latest fixed version counts, and
// one that is not fixed counts only where no other is.
func compileRedHat(advisories []vulndb.Advisory) judge {
	fixed := make([]rpm.Version, len(advisories))
	for i, a := range advisories {
		fixed[i] = rpm.NewVersion(a.FixedVersion)
	}
	return func(k Key) func(int) bool {
		latest := map[string]int{}
		for i, a := range advisories {
			if k.Arch != "noarch" && !concernsArch(a, k.Arch) {
				continue
			}
			if j, known := latest[a.VulnerabilityID]; !known || fixed[j].LessThan(fixed[i]) {
				latest[a.VulnerabilityID] = i
			}
		}
		have := rpm.NewVersion(k.Version)
		return func(i int) bool {
			j, known := latest[advisories[i].VulnerabilityID]
			return known && i == j && (advisories[i].FixedVersion == "" || have.LessThan(fixed[i]))
		}
	}
}
