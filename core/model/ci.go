package model

import (
	"net/url"
	"strings"
	"time"
)

// Submission is what a pipeline says about the document it posts.
type Submission struct {
	Format string // name of the ingest plugin; empty: recognise by content
	Job    string
	Source string // "jenkins", "github", …
	// Digest and Reference name the image when the document does not.
	Digest    Digest
	Reference string // host/repository:tag
}

// CIResult is one accepted document: whose, about what, with what outcome.
type CIResult struct {
	ID           int64     `json:"id"`
	Digest       Digest    `json:"digest,omitempty"` // empty: kept and shown, but counts nowhere in admission
	ImageID      Digest    `json:"image_id,omitempty"`
	Reference    string    `json:"reference,omitempty"` // what the pipeline called the image
	Format       string    `json:"format"`
	Tool         string    `json:"tool"`
	ToolVersion  string    `json:"tool_version,omitempty"`
	Job          string    `json:"job,omitempty"`
	Source       string    `json:"source,omitempty"`
	PostedBy     string    `json:"posted_by"`
	PostedAt     time.Time `json:"posted_at"`
	ScannedAt    time.Time `json:"scanned_at,omitzero"` // as the tool says; zero when it does not, or not plausibly
	DocumentHash string    `json:"document_hash"`       // sha256 of the document as posted
	Counts       Counts    `json:"counts"`
	Findings     string    `json:"findings"` // hash of the finding list
	Packages     int       `json:"packages"`
	Duplicate    bool      `json:"-"` // the same document was posted before: this is its record
}

// Producer is the name under which a verdict from this result is kept; a new
// result of the same producer for the same digest replaces the old one. It is
// TOOL/SOURCE/JOB@WHO, each escaped, so that nobody's result takes the place of
// somebody else's.
func (r CIResult) Producer() string {
	words := []string{url.QueryEscape(r.Tool), url.QueryEscape(r.Source), url.QueryEscape(r.Job)}
	return strings.TrimRight(strings.Join(words, "/"), "/") + "@" + url.QueryEscape(r.PostedBy)
}

// AsOf is when the image was scanned as far as is known: when the tool says so,
// or else when its result was posted.
func (r CIResult) AsOf() time.Time {
	if r.ScannedAt.IsZero() {
		return r.PostedAt
	}
	return r.ScannedAt
}

// Document is what an ingest plugin read out of a CI document.
type Document struct {
	Tool, ToolVersion string
	Digest, ImageID   Digest
	Reference         string
	ScannedAt         time.Time // when the tool made the document; zero when it does not say
	Image             Image     // what the document knows of it; may be empty
	Packages          []Package
	Findings          []Finding
	Warnings          []string
}
