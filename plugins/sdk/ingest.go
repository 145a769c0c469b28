package sdk

import (
	"context"
	"io"
	"time"
)

// Ingester reads the documents that another scanner writes.
type Ingester interface {
	// Recognize tells from the first bytes of a document (at most MaxHead)
	// whether Parse reads such documents, and names the format ("trivy-json/2").
	// An empty name means no.
	Recognize(ctx context.Context, head []byte) (format string, err error)
	// Parse reads one document and hands its parts to sink, in any order, the
	// subject exactly once. It stops at the first error of sink. Nothing of the
	// document counts unless Parse returns nil. Sink is not used after that and
	// never from two goroutines at a time.
	Parse(ctx context.Context, doc io.Reader, sink Sink) error
}

// Sink takes the parts of a document.
type Sink interface {
	Subject(s Subject) error
	Packages(p []Package) error
	Findings(f []Finding) error
	// Warn takes a sentence about a part of the document that was left out.
	Warn(message string) error
}

// Subject is what a document is about and who made it. Only what the document
// says is set; nothing is guessed.
type Subject struct {
	Registry      string
	Repository    string
	Tag           string
	Digest        string // of the manifest
	Platform      string // "os/architecture[/variant]"
	ImageID       string // digest of the image configuration
	DiffIDs       []string
	OSFamily      string
	OSVersion     string
	Tool          string
	ToolVersion   string
	Created       time.Time // when the document was made
	ListsPackages bool      // the document lists packages: it can be matched again
}

// Package is one installed package.
type Package struct {
	Ecosystem     string // of the tool's own naming: "debian", "node-pkg"
	Name          string
	Version       string
	Arch          string
	SourceName    string
	SourceVersion string
	Path          string // of the file that proves it
	PURL          string
	Layer         string // diff id of the layer that brought it
	Licenses      []string
}

// Severity of a finding, as the document says it.
type Severity int

// Severities in rising order. SeverityUnspecified means that the document says
// nothing, SeverityUnknown that it says "unknown".
const (
	SeverityUnspecified Severity = iota
	SeverityUnknown
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

// Finding is one vulnerability in one package.
type Finding struct {
	ID               string // "CVE-2022-37434"
	Ecosystem        string
	Package          string
	InstalledVersion string
	FixedVersion     string // empty: no fix is known
	Severity         Severity
	Status           string // "fixed", "affected", "will_not_fix", …
	Score            float64
	Vector           string // CVSS vector that Score belongs to
	Title            string
	Description      string
	URL              string
	Path             string
	PURL             string
	Layer            string // diff id
	Published        time.Time
	Modified         time.Time
}
