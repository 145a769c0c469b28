package parity_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// installed is a package at a version near one that an advisory names.
type installed struct{ name, version string }

// versionsPerPackage is how many versions of a package are tried.
const versionsPerPackage = 6

// nearAdvisories chooses packages of the buckets and, for each, versions at and
// around those that its advisories name.
func nearAdvisories(t *testing.T, random *rand.Rand, db *vulndb.DB, packages int, buckets ...string) []installed {
	t.Helper()
	named := map[string][]string{}
	for _, bucket := range buckets {
		err := db.Walk(bucket, func(pkg, _ string, record []byte) error {
			named[pkg] = append(named[pkg], versionsIn(record)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	names := make([]string, 0, len(named))
	for name := range named {
		names = append(names, name)
	}
	slices.Sort(names)
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var result []installed
	for _, name := range names[:min(packages, len(names))] {
		versions := named[name]
		slices.Sort(versions)
		versions = append(slices.Compact(versions), "1.0")
		chosen := map[string]bool{}
		for range versionsPerPackage {
			v := versions[random.IntN(len(versions))]
			for range random.IntN(3) {
				v = nudged(random, v)
			}
			// No package has a version that is empty or ends in a hyphen.
			if v = strings.Trim(v, "-"); v != "" && v[0] != ':' && !strings.HasSuffix(v, ":") && !chosen[v] {
				chosen[v] = true
				result = append(result, installed{name, v})
			}
		}
	}
	return result
}

var oneVersion = regexp.MustCompile(`[0-9][0-9A-Za-z.+_:~^-]*`)

// versionsIn returns the versions that an advisory's record names.
func versionsIn(record []byte) []string {
	var a struct {
		FixedVersion, AffectedVersion                           string
		VulnerableVersions, PatchedVersions, UnaffectedVersions []string
		Entries                                                 []struct{ FixedVersion string }
	}
	if err := json.Unmarshal(record, &a); err != nil {
		return nil
	}
	texts := slices.Concat([]string{a.FixedVersion, a.AffectedVersion}, a.VulnerableVersions, a.PatchedVersions, a.UnaffectedVersions)
	for _, e := range a.Entries {
		texts = append(texts, e.FixedVersion)
	}
	var versions []string
	for _, text := range texts {
		versions = append(versions, oneVersion.FindAllString(text, -1)...)
	}
	return versions
}

var number = regexp.MustCompile(`[0-9]+`)

// endings are what ecosystems put behind a version to come before or after it.
func endings() []string {
	return []string{
		"~rc1", "~", "^1", "+b1", "+deb12u1", "ubuntu0.1", ".1", ".0", "-r0", "-r1", "_rc1", "_p1", "_alpha", "a", "b2", "rc1",
		".dev1", ".post1", "+local.1", "-1", "-beta.1", "-rc1", "-SNAPSHOT", ".RELEASE", ".Final", "-x86-linux", ".pre", "+incompatible",
	}
}

// nudged returns a version a little before or after another.
func nudged(random *rand.Rand, v string) string {
	numbers := number.FindAllStringIndex(v, -1)
	if len(numbers) == 0 {
		return v + "1"
	}
	at := numbers[random.IntN(len(numbers))]
	n, err := strconv.ParseUint(v[at[0]:at[1]], 10, 63)
	switch way := random.IntN(9); {
	case err != nil || way < 2:
		all := endings()
		return v + all[random.IntN(len(all))]
	case way < 5 && n > 0:
		return fmt.Sprintf("%s%d%s", v[:at[0]], n-1, v[at[1]:])
	case way < 7:
		return fmt.Sprintf("%s%d%s", v[:at[0]], n+1, v[at[1]:])
	case way == 7 && at[0] > 0:
		return v[:at[0]-1] + v[at[1]:]
	}
	return strconv.Itoa(random.IntN(3)) + ":" + v
}
