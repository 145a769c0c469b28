package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity is one of five words, worst first.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Unknown  Severity = "unknown"
)

// ParseSeverity accepts any case; a word it does not know is Unknown.
func ParseSeverity(s string) Severity {
	switch sev := Severity(strings.ToLower(s)); sev {
	case Critical, High, Medium, Low:
		return sev
	}
	return Unknown
}

// Rank orders severities: 4 is critical, 0 unknown.
func (s Severity) Rank() int {
	return map[Severity]int{Critical: 4, High: 3, Medium: 2, Low: 1}[s]
}

// Finding is one vulnerability of one installed package version.
type Finding struct {
	ID        string    `json:"id"`
	Package   string    `json:"package"`
	Installed string    `json:"installed"`
	Fixed     string    `json:"fixed,omitempty"` // empty: no fix known
	Type      string    `json:"type,omitempty"`  // ecosystem of the package
	Path      string    `json:"path,omitempty"`
	Layer     Digest    `json:"layer,omitempty"` // diff id of the layer that brought it
	Severity  Severity  `json:"severity"`
	Status    string    `json:"status,omitempty"` // "fixed", "affected", "will_not_fix", …
	Score     float64   `json:"score,omitempty"`  // CVSS v3 where known, else v2, else 0
	Title     string    `json:"title,omitempty"`
	URL       string    `json:"url,omitempty"`
	Published time.Time `json:"published,omitzero"`
}

// SortFindings orders worst first, then by id, package, version and path, so
// that equal findings always encode equally.
func SortFindings(fs []Finding) {
	slices.SortFunc(fs, func(a, b Finding) int {
		if d := b.Severity.Rank() - a.Severity.Rank(); d != 0 {
			return d
		}
		for _, d := range []int{
			strings.Compare(a.ID, b.ID), strings.Compare(a.Package, b.Package),
			strings.Compare(a.Installed, b.Installed), strings.Compare(a.Path, b.Path),
			strings.Compare(string(a.Layer), string(b.Layer)), strings.Compare(a.Fixed, b.Fixed),
		} {
			if d != 0 {
				return d
			}
		}
		return 0
	})
}

// Gap is a group of packages that a scan could not judge: neither a finding nor
// the absence of one.
type Gap struct {
	Stream   string `json:"stream"`   // where advisories were looked for
	Packages int    `json:"packages"` // 0: nobody knows how many
	Reason   string `json:"reason"`
}

// FindingList is what was found in an image and what could not be judged, named
// by its content and shared by every image that has exactly the same.
type FindingList struct {
	Hash     string    `json:"-"`
	Findings []Finding `json:"findings"`
	Gaps     []Gap     `json:"gaps,omitempty"`
}

// NewFindingList sorts a copy of fs and names it.
func NewFindingList(fs []Finding, gaps ...Gap) FindingList {
	list := FindingList{Findings: slices.Clone(fs), Gaps: gaps}
	SortFindings(list.Findings)
	body, err := json.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("model: a finding list cannot be encoded: %v", err)) // plain values only: a NaN score, refused at every decoder
	}
	sum := sha256.Sum256(body)
	list.Hash = hex.EncodeToString(sum[:])
	return list
}

// Source says who looked at an image.
type Source string

// The sources: our own scanner, or a CI pipeline's.
const (
	SourceScan Source = "scan"
	SourceCI   Source = "ci"
)

// Counts are findings by severity, and those that have a fix.
type Counts struct {
	Critical    int `json:"critical"`
	High        int `json:"high"`
	Medium      int `json:"medium"`
	Low         int `json:"low"`
	Unknown     int `json:"unknown"`
	CriticalFix int `json:"critical_fix"`
	HighFix     int `json:"high_fix"`
	MediumFix   int `json:"medium_fix"`
}

// CountFindings counts each (id, package, installed version) once, wherever it lies.
func CountFindings(fs []Finding) Counts {
	type key struct{ id, pkg, version string }
	seen := make(map[key]bool, len(fs))
	var c Counts
	for _, f := range fs {
		k := key{f.ID, f.Package, f.Installed}
		if seen[k] {
			continue
		}
		seen[k] = true
		fix := 0
		if f.Fixed != "" {
			fix = 1
		}
		switch f.Severity {
		case Critical:
			c.Critical, c.CriticalFix = c.Critical+1, c.CriticalFix+fix
		case High:
			c.High, c.HighFix = c.High+1, c.HighFix+fix
		case Medium:
			c.Medium, c.MediumFix = c.Medium+1, c.MediumFix+fix
		case Low:
			c.Low++
		default:
			c.Unknown++
		}
	}
	return c
}

// Verdict is the small record that admission needs about one image digest
// from one source. It says what was found, never whether that is acceptable.
type Verdict struct {
	Digest  Digest `json:"digest"`
	ImageID Digest `json:"image_id,omitempty"`
	Source  Source `json:"source"`
	// Producer tells CI results of one digest apart: "trivy/jenkins/nightly@ci".
	// Empty for our own scan.
	Producer  string `json:"producer,omitempty"`
	Counts    Counts `json:"counts"`
	RunAsRoot bool   `json:"run_as_root,omitempty"`
	// Incomplete says that the packages of the distribution could not be judged: the
	// counts are a lower bound.
	Incomplete bool `json:"incomplete,omitempty"`
	// Secrets and SetIDs count the credentials and set-id files that were seen in an
	// image that was looked through for them.
	Secrets       int  `json:"secrets,omitempty"`
	SecretsSought bool `json:"secrets_sought,omitempty"`
	SetIDs        int  `json:"setids,omitempty"`
	SetIDsSought  bool `json:"setids_sought,omitempty"`
	// EndOfLife is the last day (YYYY-MM-DD) of the release's public security
	// updates; empty when no end is known.
	EndOfLife string `json:"end_of_life,omitempty"`
	OS        OS     `json:"os"`
	// DB is the database under which the findings last changed. They may have been
	// compared with newer ones since, unless the verdict is Outdated.
	DB DBVersion `json:"db"`
	// Outdated says that the image's registries asked not to be looked up again, and
	// that a newer database would answer differently.
	Outdated  bool      `json:"outdated,omitempty"`
	ScannedAt time.Time `json:"scanned_at,omitzero"`
	// Findings is the hash of the finding list, which travels after the verdict.
	Findings string `json:"findings"`
}

// DBVersion names the vulnerability database an answer was made with. For a CI
// result only what the document says is set.
type DBVersion struct {
	Revision  string    `json:"revision,omitempty"` // content identity; equal revisions give equal answers
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}
