package policy

import (
	"strings"

	"github.com/muster-sec/muster/core/model"
)

// Subject is one container of a request.
type Subject struct {
	Namespace string
	Kind      ContainerKind
	// Image is what the container names; nil when that is no image reference:
	// criteria about names then meet denials and never exceptions.
	Image *Reference
	// Candidates are the images that may run under that name. There is always at
	// least one: of an image without any result, only that is known.
	Candidates []Facts
}

// Scanned says who has looked at an image.
type Scanned int8

// The degrees of having been scanned.
const (
	ScannedNot Scanned = iota
	ScannedCI          // by pipelines only
	ScannedOwn         // by muster
)

// Facts are what is known of one image.
type Facts struct {
	Digest  model.Digest // empty when nothing is known under the name
	Scanned Scanned
	Counts  model.Counts // meaningful unless ScannedNot
	// Most are the greatest counts that anybody reports: what an exception for few
	// findings looks at.
	Most model.Counts
	// Incomplete says that the distribution's packages could not be judged: what was
	// found is true, what was not found is unknown.
	Incomplete bool
	// Secrets and SetIDs count the credentials and set-id files that were seen; nil
	// where nobody looked.
	Secrets, SetIDs *int
	CVEs            CVESet
}

// KnownVerdict is a verdict with where it came from and whether its finding
// list has arrived.
type KnownVerdict struct {
	model.Verdict
	Origin        model.Origin
	FindingsKnown bool
}

// CVE is what rules need of a finding.
type CVE struct {
	ID       string
	Severity model.Severity
}

// CVEList is the vulnerabilities of one finding list, each once, worst first.
// It is immutable and safe to share.
type CVEList struct {
	cves  []CVE
	index map[string]int // by upper-case id, into cves
}

// NewCVEList makes a list of findings ordered worst first. It takes over cves.
func NewCVEList(cves []CVE) *CVEList {
	l := &CVEList{cves: cves[:0], index: make(map[string]int, len(cves))}
	for _, c := range cves {
		c.ID = strings.ToUpper(c.ID)
		if _, ok := l.index[c.ID]; !ok {
			l.index[c.ID] = len(l.cves)
			l.cves = append(l.cves, c)
		}
	}
	return l
}

// Len is the number of different vulnerabilities.
func (l *CVEList) Len() int { return len(l.cves) }

// CVESet is the union of the finding lists of an image.
type CVESet struct {
	Lists []*CVEList
	// Partial says that some list has not arrived: what is in the set is true,
	// what is not is unknown.
	Partial bool
}

// Worst are up to n ids of at least the severity, worst first within each list.
func (s CVESet) Worst(n int, atLeast model.Severity) []string {
	var ids []string
	for i, l := range s.Lists {
		for _, c := range l.cves {
			if len(ids) == n || c.Severity.Rank() < atLeast.Rank() {
				break
			}
			if !(CVESet{Lists: s.Lists[:i]}).has(c.ID) {
				ids = append(ids, c.ID)
			}
		}
	}
	return ids
}

func (s CVESet) has(id string) bool {
	for _, l := range s.Lists {
		if _, ok := l.index[id]; ok {
			return true
		}
	}
	return false
}

// find gives some id that the pattern matches.
func (s CVESet) find(p pattern) (string, bool) {
	if !p.wild {
		return p.text, s.has(p.text)
	}
	for _, l := range s.Lists {
		for _, c := range l.cves {
			if p.match(c.ID) {
				return c.ID, true
			}
		}
	}
	return "", false
}

// findOther gives some id that none of the patterns matches.
func (s CVESet) findOther(ps []pattern) (string, bool) {
	named := make(map[string]bool, len(ps))
	var wild []pattern
	for _, p := range ps {
		if p.wild {
			wild = append(wild, p)
		} else {
			named[p.text] = true
		}
	}
	for _, l := range s.Lists {
		for _, c := range l.cves {
			if !named[c.ID] && !matchAny(wild, c.ID) {
				return c.ID, true
			}
		}
	}
	return "", false
}
