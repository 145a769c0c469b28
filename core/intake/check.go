package intake

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// Limits of what a document may say. They are generous: a large image has a few
// thousand packages and findings.
const (
	maxFindings = 200_000
	maxPackages = 200_000
	maxName     = 4 << 10 // bytes of an id, a name, a version, a path, an address
	maxLabel    = 200     // bytes of a job, a source, a tool: they name the producer
	maxTitle    = 1 << 10 // bytes; longer titles are cut
	maxWarnings = 20
)

// checkSubmission checks what the pipeline says beside the document.
func checkSubmission(sub model.Submission) error {
	if sub.Digest != "" {
		if _, err := model.ParseDigest(string(sub.Digest)); err != nil {
			return fault.New(fault.Invalid, "intake: digest: %w", err)
		}
	}
	return errors.Join(
		checkText("format", sub.Format, maxLabel), checkText("job", sub.Job, maxLabel),
		checkText("source", sub.Source, maxLabel), checkText("reference", sub.Reference, maxName),
	)
}

// checkDocument holds what a plugin read against the limits and brings
// severities and titles into our form. A plugin is trusted to be ours, not to
// have met every document.
func checkDocument(doc *model.Document) error {
	switch {
	case doc.Tool == "":
		return fault.New(fault.Invalid, "intake: the document does not say which tool made it")
	case len(doc.Findings) > maxFindings:
		return fault.New(fault.TooLarge, "intake: %d findings; %d are taken", len(doc.Findings), maxFindings)
	case len(doc.Packages) > maxPackages:
		return fault.New(fault.TooLarge, "intake: %d packages; %d are taken", len(doc.Packages), maxPackages)
	}
	err := errors.Join(
		checkText("tool", doc.Tool, maxLabel), checkText("tool version", doc.ToolVersion, maxLabel),
		checkText("reference", doc.Reference, maxName), checkDigest("digest", doc.Digest), checkDigest("image id", doc.ImageID),
	)
	if err != nil {
		return err
	}
	for i := range doc.Findings {
		if err := checkFinding(&doc.Findings[i]); err != nil {
			return fmt.Errorf("intake: finding %d: %w", i+1, err)
		}
	}
	for i := range doc.Packages {
		if err := checkPackage(&doc.Packages[i]); err != nil {
			return fmt.Errorf("intake: package %d: %w", i+1, err)
		}
	}
	doc.Warnings = doc.Warnings[:min(len(doc.Warnings), maxWarnings)]
	return nil
}

func checkFinding(f *model.Finding) error {
	if f.ID == "" {
		return fault.New(fault.Invalid, "it has no id")
	}
	layer := string(f.Layer)
	for _, s := range []*string{&f.ID, &f.Package, &f.Installed, &f.Fixed, &f.Type, &f.Path, &layer, &f.Status, &f.URL} {
		if err := clean(s); err != nil {
			return err
		}
	}
	f.Layer = model.Digest(layer)
	if math.IsNaN(f.Score) || math.IsInf(f.Score, 0) || f.Score < 0 || f.Score > 10 {
		return fault.New(fault.Invalid, "the score of %s is not between 0 and 10", f.ID)
	}
	f.Severity = model.ParseSeverity(string(f.Severity))
	f.Title = cut(printable(f.Title), maxTitle)
	return nil
}

func checkPackage(p *model.Package) error {
	layer := string(p.Layer)
	for _, s := range []*string{&p.Name, &p.Version, &p.Type, &p.SourceName, &p.SourceVersion, &p.Arch, &p.Path, &layer, &p.PURL} {
		if err := clean(s); err != nil {
			return err
		}
	}
	p.Layer = model.Digest(layer)
	return nil
}

// clean bounds a text that comes out of an image and may hold anything.
func clean(s *string) error {
	if len(*s) > maxName {
		return fault.New(fault.Invalid, "a text of %d bytes; %d are taken", len(*s), maxName)
	}
	*s = printable(*s)
	return nil
}

// printable replaces what a terminal would obey or not show.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// cut shortens to n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func checkDigest(field string, d model.Digest) error {
	if d == "" {
		return nil
	}
	if _, err := model.ParseDigest(string(d)); err != nil {
		return fault.New(fault.Invalid, "intake: the document's %s: %w", field, err)
	}
	return nil
}

func checkText(field, s string, limit int) error {
	switch {
	case len(s) > limit:
		return fault.New(fault.Invalid, "intake: %s is longer than %d bytes", field, limit)
	case !utf8.ValidString(s):
		return fault.New(fault.Invalid, "intake: %s is not UTF-8", field)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fault.New(fault.Invalid, "intake: %s has control characters", field)
	}
	return nil
}

const (
	// clockSkew is how far a pipeline's clock may be ahead of ours.
	clockSkew = 5 * time.Minute
	// oldestYear is before any container image was scanned: a time before it is
	// a clock that was never set.
	oldestYear = 2013
)

// date drops a time of the scan that cannot be: a verdict from the future would
// count as newer than all that are made until then.
func (s *Service) date(doc *model.Document) {
	if doc.ScannedAt.IsZero() {
		return
	}
	at, now := doc.ScannedAt.UTC().Truncate(time.Millisecond), s.o.Now().UTC()
	switch {
	case at.After(now.Add(clockSkew)):
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("the document says that it was made at %s, which is in the future; the time of posting is used", at.Format(time.RFC3339)))
		at = time.Time{}
	case at.Year() < oldestYear:
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("the document says that it was made at %s, before there were such scans; the time of posting is used", at.Format(time.RFC3339)))
		at = time.Time{}
	case at.After(now):
		at = now
	}
	doc.ScannedAt = at
}

// identify settles what the document is about: the document's word counts, the
// pipeline's fills what it leaves out.
func identify(doc *model.Document, sub model.Submission) {
	warn := func(what string, document, pipeline any) {
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("the %s is %v in the document and %v in the request; the document's is used", what, document, pipeline))
	}
	switch {
	case doc.Digest == "":
		doc.Digest = sub.Digest
	case sub.Digest != "" && sub.Digest != doc.Digest:
		warn("digest", doc.Digest, sub.Digest)
	}
	switch {
	case doc.Reference == "":
		doc.Reference = sub.Reference
	case sub.Reference != "" && sub.Reference != doc.Reference:
		warn("reference", doc.Reference, sub.Reference)
	}
	if doc.Digest == "" {
		doc.Warnings = append(doc.Warnings, "no digest names the image: the result is listed and counts nowhere in admission")
	}
}
