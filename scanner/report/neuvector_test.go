package report

import (
	"testing"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
)

func TestAdvised(t *testing.T) {
	t.Parallel()
	for family, want := range map[string]bool{
		"alpine": true, "debian": true, "centos": true, "wolfi": true, "echo": true,
		"fedora": false, "centos-stream": false, "arch": false, "coreos": false, "": false,
	} {
		if got := (Image{OS: inventory.OS{Family: family, Version: "8"}}).advised(); got != want {
			t.Errorf("%q: %v", family, got)
		}
	}
}

func TestNeuVectorScores(t *testing.T) {
	t.Parallel()
	nvd := types.CVSS{V2Score: 7.5, V2Vector: "AV:N", V3Score: 9.8, V3Vector: "CVSS:3.1/AV:N"}
	vendor := types.CVSS{V3Score: 5, V3Vector: "CVSS:3.1/AV:L"}
	summary := func(score float64, vector string) Finding {
		return Finding{Finding: match.Finding{Vulnerability: match.Vulnerability{
			SeveritySource: "redhat", Summary: &match.Summary{Score: score, Vector: vector},
		}}}
	}
	for name, c := range map[string]struct {
		finding Finding
		cvss    types.VendorCVSS
		want    nvVulnerability
	}{
		"both of one source": {summary(0, ""), types.VendorCVSS{"nvd": nvd}, nvVulnerability{Score: 7.5, Vectors: "AV:N", ScoreV3: 9.8, VectorsV3: "CVSS:3.1/AV:N"}},
		"each of another":    {summary(0, ""), types.VendorCVSS{"nvd": nvd, "redhat": vendor}, nvVulnerability{Score: 7.5, Vectors: "AV:N", ScoreV3: 5, VectorsV3: "CVSS:3.1/AV:L"}},
		"whoever has one":    {summary(0, ""), types.VendorCVSS{"x": vendor}, nvVulnerability{ScoreV3: 5, VectorsV3: "CVSS:3.1/AV:L"}},
		"no details":         {summary(9, "CVSS:3.1/AV:P"), nil, nvVulnerability{ScoreV3: 9, VectorsV3: "CVSS:3.1/AV:P"}},
		"no details of old":  {summary(9, "AV:P"), nil, nvVulnerability{Score: 9, Vectors: "AV:P"}},
	} {
		var got nvVulnerability
		got.rate(c.finding, c.cvss)
		if got.Score != c.want.Score || got.Vectors != c.want.Vectors || got.ScoreV3 != c.want.ScoreV3 || got.VectorsV3 != c.want.VectorsV3 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
