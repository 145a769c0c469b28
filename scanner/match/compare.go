package match

import (
	"sort"

	apk "github.com/knqyf263/go-apk-version"

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

// ignoreUnfixed says that an advisory without a fixed version affects none.
func (b *bounds[V]) ignoreUnfixed() {
	for i, rank := range b.rank {
		if rank == unfixed {
			b.rank[i] = unreadable
		}
	}
}

// compileDeb: without a fixed version the package is affected in every version;
// a fixed version that cannot be parsed affects none.
func compileDeb(advisories []vulndb.Advisory) judge {
	b := newBounds(advisories, parseDeb, lessDeb)
	return func(k Key) func(int) bool {
		have, err := parseDeb(k.Version)
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
	return func(k Key) func(int) bool {
		have, err := apk.NewVersion(k.Version)
		if err != nil {
			return nil
		}
		below := b.below(have)
		return func(i int) bool { return below(i) && notBefore(have, advisories[i].AffectedVersion) }
	}
}

// compileRollingApk is for distributions without releases, where an advisory
// without a fixed version concerns nobody.
func compileRollingApk(advisories []vulndb.Advisory) judge {
	b := newBounds(advisories, apk.NewVersion, apk.Version.LessThan)
	b.ignoreUnfixed()
	return func(k Key) func(int) bool {
		have, err := apk.NewVersion(k.Version)
		if err != nil {
			return nil
		}
		return b.below(have)
	}
}

func notBefore(have apk.Version, introduced string) bool {
	if introduced == "" {
		return true
	}
	start, err := apk.NewVersion(introduced)
	return err == nil && !start.GreaterThan(have)
}
