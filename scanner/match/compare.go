package match

import (
	"fmt"
	"slices"
	"strings"

	npm "github.com/aquasecurity/go-npm-version/pkg"
	apk "github.com/knqyf263/go-apk-version"
	deb "github.com/knqyf263/go-deb-version"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// debVersion keeps the text beside the parsed version: equal texts are equal
// versions, and most packages are compared with the very version that is installed.
type debVersion struct {
	text   string
	parsed deb.Version
}

func parseDeb(text string) (installed, error) {
	v, err := deb.NewVersion(text)
	if err != nil {
		return nil, fmt.Errorf("match: debian version %.100q: %w", text, err)
	}
	return debVersion{text, v}, nil
}

// compileDeb: without a fixed version the package is affected in every version;
// a fixed version that cannot be parsed affects none.
func compileDeb(a vulndb.Advisory) affects {
	if a.FixedVersion == "" {
		return always
	}
	fixed, err := deb.NewVersion(a.FixedVersion)
	if err != nil {
		return never
	}
	text := a.FixedVersion
	return func(v installed) bool {
		have := v.(debVersion)
		return have.text != text && have.parsed.LessThan(fixed)
	}
}

func parseApk(text string) (installed, error) {
	v, err := apk.NewVersion(text)
	if err != nil {
		return nil, fmt.Errorf("match: alpine version %.100q: %w", text, err)
	}
	return v, nil
}

func compileApk(a vulndb.Advisory) affects {
	introduced, err := apk.NewVersion(a.AffectedVersion)
	if a.AffectedVersion != "" && err != nil {
		return never
	}
	hasStart := a.AffectedVersion != ""
	if a.FixedVersion == "" {
		return func(v installed) bool { return !hasStart || !introduced.GreaterThan(v.(apk.Version)) }
	}
	fixed, err := apk.NewVersion(a.FixedVersion)
	if err != nil {
		return never
	}
	return func(v installed) bool {
		have := v.(apk.Version)
		return (!hasStart || !introduced.GreaterThan(have)) && have.LessThan(fixed)
	}
}

func parseNPM(text string) (installed, error) {
	v, err := npm.NewVersion(text)
	if err != nil {
		return nil, fmt.Errorf("match: npm version %.100q: %w", text, err)
	}
	return v, nil
}

// compileNPM: a version is affected when it lies in the vulnerable ranges (if
// there are any) and not in the patched or unaffected ones. An empty vulnerable
// or patched range means every version; a range that cannot be parsed, none.
func compileNPM(a vulndb.Advisory) affects {
	if slices.Contains(a.VulnerableVersions, "") || slices.Contains(a.PatchedVersions, "") {
		return always
	}
	vulnerable, err := npmRanges(a.VulnerableVersions)
	if err != nil {
		return never
	}
	safe, err := npmRanges(slices.Concat(a.PatchedVersions, a.UnaffectedVersions))
	if err != nil {
		return never
	}
	if vulnerable == nil && safe == nil {
		return never
	}
	return func(v installed) bool {
		have := v.(npm.Version)
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

func always(installed) bool { return true }

func never(installed) bool { return false }
