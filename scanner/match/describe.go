package match

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/scanner/vulndb"
)

const (
	nvd  types.SourceID = "nvd"
	ghsa types.SourceID = "ghsa"
)

// ratedBy names a vulnerability as one data source rates it.
type ratedBy struct {
	id     string
	source types.SourceID
}

// rating is what describes a vulnerability of one data source.
type rating struct {
	severity Severity
	source   string
	summary  *Summary
}

// describe turns an advisory into what is reported where it applies.
func (m *Matcher) describe(r *rule, a vulndb.Advisory) (Vulnerability, error) {
	var source types.DataSource
	if a.DataSource != nil {
		source = *a.DataSource
	}
	by := ratedBy{a.VulnerabilityID, source.ID}
	rated, err := m.summaries.get(by, func() (rating, error) { return m.rate(by, cmp.Or(source.BaseID, source.ID)) })
	if err != nil {
		return Vulnerability{}, err
	}
	v := Vulnerability{
		ID: a.VulnerabilityID, Fixed: r.fixed(a), Severity: rated.severity, SeveritySource: rated.source,
		Source: string(source.ID), Origin: a.DataSource, Summary: rated.summary,
	}
	v.Status = status(v.Fixed, types.StatusUnknown)
	if r.ownStatus {
		v.Status = status(v.Fixed, a.Status)
	}
	if r.ownSeverity != "" && (a.Severity != types.SeverityUnknown || r.ownSeverity == "redhat") {
		v.Severity, v.SeveritySource = severityOf(a.Severity), string(cmp.Or(source.BaseID, source.ID, types.SourceID(r.ownSeverity)))
	}
	return v, nil
}

// rate reads the details of a vulnerability and chooses the severity: the data
// source's own, GitHub's for its own ids, NVD's, and last the record's overall.
func (m *Matcher) rate(by ratedBy, near types.SourceID) (rating, error) {
	detail, known, err := m.db.Detail(by.id)
	if err != nil || !known {
		return rating{summary: &Summary{URL: primaryURL(by.id, nil)}}, err
	}
	preferred := []types.SourceID{near, nvd}
	if strings.HasPrefix(by.id, "GHSA-") {
		preferred = []types.SourceID{near, ghsa, nvd}
	}
	result := rating{summary: summarise(by.id, detail, preferred)}
	for _, source := range preferred {
		s, ok := detail.VendorSeverity[source]
		if !ok {
			continue
		}
		if s == types.SeverityUnknown && source != near {
			break
		}
		result.severity, result.source = severityOf(s), string(source)
		return result, nil
	}
	if s, err := ParseSeverity(detail.Severity); err == nil {
		result.severity = s
	}
	return result, nil
}

func summarise(id string, d vulndb.Detail, preferred []types.SourceID) *Summary {
	s := &Summary{Title: d.Title, Published: d.PublishedDate, Modified: d.LastModifiedDate, URL: primaryURL(id, d.References)}
	order := slices.Concat(preferred, []types.SourceID{ghsa, "redhat"}, slices.Sorted(maps.Keys(d.CVSS)))
	for _, source := range order {
		c, ok := d.CVSS[source]
		if !ok {
			continue
		}
		switch {
		case c.V3Score > 0:
			s.Score, s.Vector = c.V3Score, c.V3Vector
		case c.V40Score > 0:
			s.Score, s.Vector = c.V40Score, c.V40Vector
		case c.V2Score > 0:
			s.Score, s.Vector = c.V2Score, c.V2Vector
		default:
			continue
		}
		return s
	}
	return s
}

// primaryURL is the page of whoever issued the id, or the first reference.
func primaryURL(id string, references []string) string {
	switch {
	case strings.HasPrefix(id, "CVE-"):
		return "https://nvd.nist.gov/vuln/detail/" + id
	case strings.HasPrefix(id, "GHSA-"):
		return "https://github.com/advisories/" + id
	case strings.HasPrefix(id, "TEMP-"):
		return "https://security-tracker.debian.org/tracker/" + id
	case strings.HasPrefix(id, "RUSTSEC-"), strings.HasPrefix(id, "PYSEC-"), strings.HasPrefix(id, "GO-"):
		return "https://osv.dev/vulnerability/" + id
	case len(references) > 0:
		return references[0]
	}
	return ""
}

// status is "fixed" where there is a version that repairs it, else what the
// vendor says, else "affected".
func status(fixed string, vendor types.Status) string {
	switch {
	case fixed != "":
		return "fixed"
	case vendor == types.StatusUnknown:
		return "affected"
	}
	return vendor.String()
}

func severityOf(s types.Severity) Severity {
	if s < types.SeverityUnknown || s > types.SeverityCritical {
		return Unknown
	}
	return Severity(s)
}
