package match

import (
	"slices"
	"sort"
	"strings"

	npm "github.com/aquasecurity/go-npm-version/pkg"
	apk "github.com/knqyf263/go-apk-version"
	deb "github.com/knqyf263/go-deb-version"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// bounds are the fixed versions of a package's advisories in ascending order.
// A package may have thousands of advisories with a few dozen fixed versions, so
// an installed version is looked up among these instead of compared with each.
type bounds[V any] struct {
	less     func(a, b V) bool
	versions []V
	// rank is, for each advisory, the place of its fixed version; unfixed or
	// unreadable where there is none.
	rank []int
}

const (
	unfixed    = -1
	unreadable = -2
)

func newBounds[V any](advisories []vulndb.Advisory, parse func(string) (V, error), less func(a, b V) bool) *bounds[V] {
	type bound struct {
		version  V
		advisory int
	}
	b := &bounds[V]{less: less, rank: make([]int, len(advisories))}
	var readable []bound
	for i, a := range advisories {
		v, err := parse(a.FixedVersion)
		switch {
		case a.FixedVersion == "":
			b.rank[i] = unfixed
		case err != nil:
			b.rank[i] = unreadable
		default:
			readable = append(readable, bound{v, i})
		}
	}
	sort.SliceStable(readable, func(i, j int) bool { return less(readable[i].version, readable[j].version) })
	for i, r := range readable {
		if i == 0 || less(readable[i-1].version, r.version) {
			b.versions = append(b.versions, r.version)
		}
		b.rank[r.advisory] = len(b.versions) - 1
	}
	return b
}

// below returns whether the installed version lies below the fixed version of
// the i-th advisory, or that one is not fixed at all.
func (b *bounds[V]) below(have V) func(i int) bool {
	first := sort.Search(len(b.versions), func(i int) bool { return b.less(have, b.versions[i]) })
	return func(i int) bool { return b.rank[i] == unfixed || b.rank[i] >= first }
}

// compileDeb: without a fixed version the package is affected in every version;
// a fixed version that cannot be parsed affects none.
func compileDeb(advisories []vulndb.Advisory) judge {
	b := newBounds(advisories, deb.NewVersion, func(x, y deb.Version) bool { return x.LessThan(y) })
	return func(version string) func(int) bool {
		have, err := deb.NewVersion(version)
		if err != nil {
			return nil
		}
		return b.below(have)
	}
}

// compileApk is compileDeb for Alpine, whose advisories may also name the
// version that brought the vulnerability.
func compileApk(advisories []vulndb.Advisory) judge {
	b := newBounds(advisories, apk.NewVersion, apk.Version.LessThan)
	return func(version string) func(int) bool {
		have, err := apk.NewVersion(version)
		if err != nil {
			return nil
		}
		below := b.below(have)
		return func(i int) bool { return below(i) && notBefore(have, advisories[i].AffectedVersion) }
	}
}

func notBefore(have apk.Version, introduced string) bool {
	if introduced == "" {
		return true
	}
	start, err := apk.NewVersion(introduced)
	return err == nil && !start.GreaterThan(have)
}

// compileNPM compiles the ranges of each advisory.
func compileNPM(advisories []vulndb.Advisory) judge {
	ranges := make([]func(npm.Version) bool, 0, len(advisories))
	for _, a := range advisories {
		ranges = append(ranges, rangesNPM(a))
	}
	return func(version string) func(int) bool {
		have, err := npm.NewVersion(version)
		// An advisory for every version concerns even one that cannot be read.
		return func(i int) bool { return everyNPM(advisories[i]) || err == nil && ranges[i](have) }
	}
}

// everyNPM reports whether a range of the advisory is empty: that means every version.
func everyNPM(a vulndb.Advisory) bool {
	return slices.Contains(a.VulnerableVersions, "") || slices.Contains(a.PatchedVersions, "")
}

// rangesNPM: a version is affected when it lies in the vulnerable ranges (if
// there are any) and not in the patched or unaffected ones. A range that cannot
// be parsed affects none.
func rangesNPM(a vulndb.Advisory) func(npm.Version) bool {
	never := func(npm.Version) bool { return false }
	vulnerable, err := npmRanges(a.VulnerableVersions)
	if err != nil {
		return never
	}
	safe, err := npmRanges(slices.Concat(a.PatchedVersions, a.UnaffectedVersions))
	if err != nil || vulnerable == nil && safe == nil {
		return never
	}
	return func(have npm.Version) bool {
		return (vulnerable == nil || vulnerable.Check(have)) && (safe == nil || !safe.Check(have))
	}
}

func npmRanges(ranges []string) (*npm.Constraints, error) {
	if len(ranges) == 0 {
		return nil, nil
	}
	c, err := npm.NewConstraints(strings.Join(ranges, " || "), npm.WithPreRelease(true))
	if err != nil {
		return nil, err
	}
	return &c, nil
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
