package document

import (
	"strings"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Severity reads what scanners call severities, in any case. What they think
// negligible counts as low.
func Severity(s string) sdk.Severity {
	switch strings.ToUpper(s) {
	case "":
		return sdk.SeverityUnspecified
	case "LOW", "NEGLIGIBLE", "INFO", "NONE":
		return sdk.SeverityLow
	case "MEDIUM", "MODERATE":
		return sdk.SeverityMedium
	case "HIGH", "IMPORTANT":
		return sdk.SeverityHigh
	case "CRITICAL":
		return sdk.SeverityCritical
	default:
		return sdk.SeverityUnknown
	}
}

// Score is one CVSS score that a document gives.
type Score struct {
	Version string // "3.1"
	Score   float64
	Vector  string
}

// BestScore picks one of several scores: CVSS 3 before 4 before 2, and of one
// version the first. Scores that are none do not count.
func BestScore(all []Score) (float64, string) {
	for _, version := range []string{"3", "4", "2", ""} {
		for _, s := range all {
			if strings.HasPrefix(s.Version, version) && s.Score > 0 && s.Score <= 10 {
				return s.Score, s.Vector
			}
		}
	}
	return 0, ""
}
