package grype

import (
	"strings"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/ingest/internal/imagename"
	"github.com/muster-sec/muster/plugins/sdk"
)

// match is what is read of one element of matches.
type match struct {
	Vulnerability struct {
		vulnerability
		Fix struct {
			Versions []string `json:"versions"`
			State    string   `json:"state"`
		} `json:"fix"`
	} `json:"vulnerability"`
	Related  []vulnerability `json:"relatedVulnerabilities"`
	Artifact struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Type      string `json:"type"`
		PURL      string `json:"purl"`
		Locations []struct {
			Path    string `json:"path"`
			LayerID string `json:"layerID"`
		} `json:"locations"`
	} `json:"artifact"`
}

type vulnerability struct {
	ID          string `json:"id"`
	DataSource  string `json:"dataSource"`
	Severity    string `json:"severity"`
	Description string `json:"description"`
	CVSS        []struct {
		Version string `json:"version"`
		Vector  string `json:"vector"`
		Metrics struct {
			BaseScore float64 `json:"baseScore"`
		} `json:"metrics"`
	} `json:"cvss"`
}

func (p *parser) match() error {
	var in match
	if err := p.Value(&in); err != nil {
		return err
	}
	v, a := in.Vulnerability, in.Artifact
	score, vector := document.BestScore(in.scores())
	f := sdk.Finding{
		ID: in.id(), Ecosystem: a.Type, Package: a.Name, InstalledVersion: a.Version,
		FixedVersion: strings.Join(v.Fix.Versions, ", "), Severity: document.Severity(v.Severity), Status: status(v.Fix.State),
		Score: score, Vector: vector, Description: document.Cut(in.description(), document.MaxDescription),
		URL: v.DataSource, PURL: a.PURL,
	}
	if len(a.Locations) > 0 {
		f.Path = a.Locations[0].Path
		if imagename.IsDigest(a.Locations[0].LayerID) {
			f.Layer = a.Locations[0].LayerID
		}
	}
	if f.ID == "" || f.Package == "" {
		return p.Warn("a match without an id or a package is left out")
	}
	return p.AddFinding(f)
}

// id is the finding's own name, or the one CVE that it is related to.
func (m *match) id() string {
	own := m.Vulnerability.ID
	if strings.HasPrefix(own, "CVE-") {
		return own
	}
	cve := ""
	for _, r := range m.Related {
		switch {
		case !strings.HasPrefix(r.ID, "CVE-") || r.ID == cve:
		case cve != "":
			return own
		default:
			cve = r.ID
		}
	}
	if cve != "" {
		return cve
	}
	return own
}

// scores are the finding's own, and then those of what it is related to.
func (m *match) scores() []document.Score {
	var all []document.Score
	for _, v := range append([]vulnerability{m.Vulnerability.vulnerability}, m.Related...) {
		for _, c := range v.CVSS {
			all = append(all, document.Score{Version: c.Version, Score: c.Metrics.BaseScore, Vector: c.Vector})
		}
	}
	return all
}

func (m *match) description() string {
	if d := m.Vulnerability.Description; d != "" || len(m.Related) == 0 {
		return d
	}
	return m.Related[0].Description
}

// status is Grype's state of a fix in the words of the contract.
func status(state string) string {
	switch state {
	case "fixed":
		return "fixed"
	case "not-fixed":
		return "affected"
	case "wont-fix":
		return "will_not_fix"
	default:
		return ""
	}
}
