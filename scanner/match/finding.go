package match

import (
	"fmt"
	"strings"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/scanner/inventory"
)

// Severity orders vulnerabilities; the numbers are those of trivy-db.
type Severity uint8

// The severities from least to worst.
const (
	Unknown Severity = iota
	Low
	Medium
	High
	Critical
)

// Severities lists all severities, worst first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Unknown} }

// String returns the severity in upper case, "CRITICAL" to "UNKNOWN".
func (s Severity) String() string {
	switch s {
	case Critical:
		return "CRITICAL"
	case High:
		return "HIGH"
	case Medium:
		return "MEDIUM"
	case Low:
		return "LOW"
	}
	return "UNKNOWN"
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it accepts any case.
func (s *Severity) UnmarshalText(text []byte) error {
	parsed, err := ParseSeverity(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// ParseSeverity reads a severity in any case.
func ParseSeverity(text string) (Severity, error) {
	for _, s := range Severities() {
		if strings.EqualFold(text, s.String()) {
			return s, nil
		}
	}
	return Unknown, fmt.Errorf("match: unknown severity %.40q; there are critical, high, medium, low and unknown", text)
}

// Vulnerability is one entry of the list that belongs to a match key: all that
// does not depend on which binary package of which image has it.
type Vulnerability struct {
	// ID is the vulnerability's name: a CVE, GHSA or a vendor's own.
	ID string `json:"id"`
	// Fixed is the version that repairs it, several joined with ", ", empty when
	// there is none.
	Fixed string `json:"fixed,omitempty"`
	// Severity is chosen as SeveritySource says; an empty source means that no
	// source near the package rates it and the record's overall rating was taken.
	Severity       Severity `json:"severity"`
	SeveritySource string   `json:"severity_source,omitempty"`
	// Status is "fixed", "affected", "will_not_fix", "fix_deferred" or "end_of_life".
	Status string `json:"status"`
	// Source is the data source of the advisory ("debian", "alpine", "ghsa").
	Source string `json:"source,omitempty"`
	// Origin describes the data source further, nil where the database does not.
	// It is shared and not part of the JSON form.
	Origin *types.DataSource `json:"-"`
	// Summary is shared between all that name the same vulnerability.
	*Summary
}

// Summary is what is known about a vulnerability itself. Long text stays in the
// database, see vulndb.DB.Detail.
type Summary struct {
	Title string `json:"title,omitempty"`
	// Score is the CVSS score that goes with Vector, 0 to 10; 0 if there is none.
	Score  float64 `json:"score,omitempty"`
	Vector string  `json:"vector,omitempty"`
	// Published and Modified are nil when the database does not say.
	Published *time.Time `json:"published,omitempty"`
	Modified  *time.Time `json:"modified,omitempty"`
	// URL is the page to read first.
	URL string `json:"url,omitempty"`
}

// Finding is one vulnerability of one package in one image.
type Finding struct {
	Vulnerability
	// Package and Installed are the binary package's name and version.
	Package   string              `json:"package"`
	Installed string              `json:"installed"`
	Ecosystem inventory.Ecosystem `json:"ecosystem"`
	// Layer is the diff ID of the layer that brought the package.
	Layer string `json:"layer,omitempty"`
	// Path is the file that declares the package.
	Path string `json:"path,omitempty"`
}
