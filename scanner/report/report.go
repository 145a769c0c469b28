// Package report writes the results of scans for people (a table) and for
// programs (JSON whose fields do not change their meaning).
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
)

// Version is the version of the JSON form. It grows only when a field changes
// its meaning or goes; new fields do not count.
const Version = 1

// Database says what the findings were computed from.
type Database struct {
	Revision string `json:"revision"`
	// UpdatedAt is zero when the database does not say.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Image is the result for one image.
type Image struct {
	Image inventory.Image `json:"image"`
	OS    inventory.OS    `json:"os"`
	// Packages is the number of packages that are visible in the image.
	Packages int            `json:"packages"`
	Totals   map[string]int `json:"totals"`
	// Gaps are package sources that the database knows nothing about. An image
	// with gaps and without findings is not known to be clean.
	Gaps     []match.Gap         `json:"gaps,omitempty"`
	Problems []inventory.Problem `json:"problems,omitempty"`
	Findings []match.Finding     `json:"findings"`
}

// Document is the JSON form.
type Document struct {
	Version  int       `json:"version"`
	Created  time.Time `json:"created"`
	Database Database  `json:"database"`
	Images   []Image   `json:"images"`
}

// New returns the document for images that were scanned now.
func New(db Database, now time.Time, images []Image) Document {
	for i := range images {
		images[i].Totals = totals(images[i].Findings)
		if images[i].Findings == nil {
			images[i].Findings = []match.Finding{}
		}
	}
	return Document{Version: Version, Created: now.UTC().Truncate(time.Second), Database: db, Images: images}
}

// JSON writes the document, indented.
func JSON(w io.Writer, d Document) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		return fmt.Errorf("report: write json: %w", err)
	}
	return nil
}

// Table writes the document for a person at a terminal.
func Table(w io.Writer, d Document) error {
	out := &printer{w: w}
	for i, image := range d.Images {
		if i > 0 {
			out.printf("\n")
		}
		out.image(image)
	}
	out.printf("\n%s\n", age(d))
	if out.err != nil {
		return fmt.Errorf("report: write table: %w", out.err)
	}
	return nil
}

// printer keeps the first error, so that layout code reads like layout.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) image(i Image) {
	p.printf("%s (%s)\n", clean(i.Image.Reference), i.Image.Platform)
	p.printf("  digest    %s\n", i.Image.Digest)
	p.printf("  system    %s\n", system(i.OS))
	p.printf("  packages  %d\n", i.Packages)
	p.printf("  total     %s\n", totalLine(i.Findings))
	for _, g := range i.Gaps {
		which := "the packages"
		if g.Packages > 0 {
			which = count(g.Packages, "package")
		}
		p.printf("  not judged: %s of %s, %s\n", which, clean(g.Stream), g.Reason)
	}
	for _, problem := range i.Problems {
		p.printf("  not read: %s: %s\n", clean(problem.Path), clean(problem.Reason))
	}
	if len(i.Findings) == 0 || p.err != nil {
		return
	}
	p.printf("\n")
	table := tabwriter.NewWriter(p.w, 0, 4, 2, ' ', 0)
	row := &printer{w: table}
	row.printf("PACKAGE\tINSTALLED\tFIXED\tVULNERABILITY\tSEVERITY\tTITLE\n")
	for _, f := range i.Findings {
		title := ""
		if f.Summary != nil {
			title = f.Title
		}
		row.printf("%s\t%s\t%s\t%s\t%s\t%s\n", clean(f.Package), clean(f.Installed), cmp.Or(clean(f.Fixed), "-"),
			clean(f.ID), f.Severity, shorten(clean(title), 60))
	}
	p.err = cmp.Or(row.err, table.Flush())
}

func system(os inventory.OS) string {
	if os.Family == "" {
		return "unknown"
	}
	text := strings.TrimSpace(os.Family + " " + os.Version)
	if os.Extended {
		text += " (extended maintenance)"
	}
	return clean(text)
}

func totals(findings []match.Finding) map[string]int {
	counts := map[string]int{}
	for _, s := range match.Severities() {
		counts[strings.ToLower(s.String())] = 0
	}
	for _, f := range findings {
		counts[strings.ToLower(f.Severity.String())]++
	}
	return counts
}

func totalLine(findings []match.Finding) string {
	counts := totals(findings)
	words := []string{}
	for _, s := range match.Severities() {
		name := strings.ToLower(s.String())
		words = append(words, fmt.Sprintf("%d %s", counts[name], name))
	}
	total := fmt.Sprintf("%d vulnerabilities", len(findings))
	if len(findings) == 1 {
		total = "1 vulnerability"
	}
	return total + ": " + strings.Join(words, ", ")
}

// age says how old the data is, because a clean result of old data means little.
func age(d Document) string {
	if d.Database.UpdatedAt.IsZero() {
		return fmt.Sprintf("vulnerability database %s, of unknown age", d.Database.Revision)
	}
	old := d.Created.Sub(d.Database.UpdatedAt)
	text := fmt.Sprintf("vulnerability database of %s", d.Database.UpdatedAt.UTC().Format("2006-01-02 15:04 MST"))
	switch days := int(old / (24 * time.Hour)); {
	case old < 0:
		return text
	case days == 0:
		return fmt.Sprintf("%s, %s old", text, count(int(old/time.Hour), "hour"))
	case days < staleDays:
		return fmt.Sprintf("%s, %s old", text, count(days, "day"))
	default:
		return fmt.Sprintf("%s: %s OLD, update it", text, strings.ToUpper(count(days, "day")))
	}
}

// staleDays is the age from which a database that is renewed every day is
// plainly not being renewed.
const staleDays = 3

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// clean replaces what could move a terminal's cursor or reorder its text: names
// come from images that anybody may have built.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func shorten(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
