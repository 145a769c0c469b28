package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// Gap is a group of packages that could not be judged. A gap is not a finding
// and not the absence of one.
type Gap struct {
	// Stream is where advisories were looked for.
	Stream string `json:"stream"`
	// Packages is how many there are; zero when the package database of the
	// operating system was not found, so that nobody knows.
	Packages int    `json:"packages"`
	Reason   string `json:"reason"`
	// Distribution is set when it is the distribution's own packages, as a whole,
	// that could not be judged: what was found in the image is a lower bound.
	Distribution bool `json:"distribution,omitempty"`
}

// Gaps returns what of an image the database knows nothing about, sorted by
// stream: packages of an unknown distribution, a release without advisories, a
// third party's packages, a distribution without its package database.
func (m *Matcher) Gaps(inv inventory.Inventory, sets Sets) ([]Gap, error) {
	type reason struct {
		stream, why  string
		distribution bool
	}
	counts := map[reason]int{}
	system := false
	for _, source := range inv.Sources {
		set, ok := sets(source.Set)
		if !ok {
			return nil, fmt.Errorf("match: package set %s of %s is missing", source.Set, inv.Image.Digest)
		}
		system = system || set.Ecosystem.IsOS()
		rule := ruleFor(set.Ecosystem, inv.OS.Family)
		for _, p := range set.Packages {
			if rule == nil {
				counts[reason{unknownStream(set.Ecosystem, inv.OS), "which no advisories are known for", set.Ecosystem.IsOS()}]++
				continue
			}
			stream := streamOf(rule, p, inv.OS)
			if p.ThirdParty && !rule.thirdParties {
				counts[reason{stream, "which come from a third party and not from the distribution", false}]++
				continue
			}
			if p.Version == "" {
				counts[reason{stream, "whose version is not known", false}]++
				continue
			}
			covered, err := m.covers(rule, stream)
			if err != nil {
				return nil, err
			}
			if !covered {
				counts[reason{stream, "which the vulnerability database has nothing about", set.Ecosystem.IsOS()}]++
			}
		}
	}
	if inv.OS.Family != "" && !system {
		counts[reason{strings.TrimSpace(inv.OS.Family + " " + inv.OS.Version), "whose package database was not found or is of an unknown kind", true}] = 0
	}
	gaps := make([]Gap, 0, len(counts))
	for r, n := range counts {
		gaps = append(gaps, Gap{Stream: r.stream, Packages: n, Reason: r.why, Distribution: r.distribution})
	}
	slices.SortFunc(gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Reason, b.Reason))
	})
	return gaps, nil
}

// Covers reports whether the database has advisories for the stream of a key at
// all: only then does a key without findings mean something.
func (m *Matcher) Covers(key Key) (bool, error) {
	r := ruleOfStream(key.Stream)
	if r == nil {
		return false, nil
	}
	return m.covers(r, key.Stream)
}

// covers reports whether the database has advisories for the stream at all.
func (m *Matcher) covers(r *rule, stream string) (bool, error) {
	return m.covered.get(stream, func() (bool, error) {
		if len(r.buckets(stream, m.db.Buckets())) == 0 {
			return false, nil
		}
		if r.channels == nil {
			return true, nil
		}
		cpes, err := m.cpes(r, stream)
		return len(cpes) > 0, err
	})
}

func unknownStream(e inventory.Ecosystem, os inventory.OS) string {
	if !e.IsOS() {
		return string(e)
	}
	return cmp.Or(os.Family, "an unknown distribution") + " (" + string(e) + ")"
}
