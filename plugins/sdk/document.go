package sdk

import "fmt"

// Document is everything that a Parse found, for callers that want it whole.
type Document struct {
	Subject  Subject
	Packages []Package
	Findings []Finding
	Warnings []string
}

// Collector is a Sink that keeps everything in a Document. Its zero value is
// ready for one Parse; the Document is complete once Parse returned nil.
type Collector struct {
	Document Document
	subjects int
	parts    int
}

var _ Sink = (*Collector)(nil)

// Subject keeps the subject; a second one is an error that is ErrInvalid.
func (c *Collector) Subject(s Subject) error {
	if c.subjects++; c.subjects > 1 {
		return fmt.Errorf("%w: the document names its subject twice", ErrInvalid)
	}
	c.Document.Subject = s
	return nil
}

// Packages keeps packages, up to a limit that is ErrLimit.
func (c *Collector) Packages(p []Package) error {
	c.Document.Packages = append(c.Document.Packages, p...)
	return c.count(len(p))
}

// Findings keeps findings, up to a limit that is ErrLimit.
func (c *Collector) Findings(f []Finding) error {
	c.Document.Findings = append(c.Document.Findings, f...)
	return c.count(len(f))
}

// Warn keeps a warning.
func (c *Collector) Warn(message string) error {
	c.Document.Warnings = append(c.Document.Warnings, message)
	return c.count(1)
}

func (c *Collector) count(n int) error {
	if c.parts += n; c.parts > maxParts {
		return fmt.Errorf("%w: the document has more than %d packages, findings and warnings", ErrLimit, maxParts)
	}
	return nil
}
