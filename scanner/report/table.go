package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muster-sec/muster/scanner/baseimage"
	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vex"
)

// Table writes the document for a person at a terminal.
func Table(w io.Writer, d Document) error {
	out := &printer{w: w}
	for i, image := range d.Images {
		if i > 0 {
			out.printf("\n")
		}
		out.image(image, d.judged(), d.ended(image))
	}
	if d.judged() {
		out.printf("\n%s\n", age(d))
	}
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

// judged reports whether vulnerabilities were looked for at all.
func (d Document) judged() bool { return d.Database.Revision != "" }

func (p *printer) image(i Image, judged, ended bool) {
	p.printf("%s (%s)\n", clean(i.Image.Reference), i.Image.Platform)
	p.printf("  digest    %s\n", i.Image.Digest)
	p.printf("  system    %s\n", system(i.OS))
	if ended {
		p.printf("  outdated  %s has had no security updates since %s\n", systemName(i.OS), i.EndOfLife.Format(time.DateOnly))
	}
	p.printf("  packages  %d\n", i.Packages)
	if i.Base != nil {
		p.printf("  base      %s\n", baseLine(*i.Base))
	}
	if judged {
		p.printf("  total     %s\n", totalLine(i))
	} else {
		p.printf("  total     vulnerabilities were not looked for\n")
	}
	for _, b := range i.SBOMs {
		p.printf("  sbom      %s (%s)\n", clean(b.Location), clean(b.Format))
	}
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
	p.findings(i)
	p.sightings("SECRET", i.Secrets)
	p.sightings("SET-ID FILE", i.SetIDs)
	p.checks(i.Checks)
}

func (p *printer) findings(i Image) {
	if len(i.Findings) == 0 {
		return
	}
	marked := false
	for _, f := range i.Findings {
		marked = marked || f.Mark != nil
	}
	header := "PACKAGE\tINSTALLED\tFIXED\tVULNERABILITY\tSEVERITY\tLAYER\tTITLE"
	if marked {
		header = "PACKAGE\tINSTALLED\tFIXED\tVULNERABILITY\tSEVERITY\tLAYER\tMARK\tTITLE"
	}
	p.table(header, func(row *printer) {
		for _, f := range i.Findings {
			title := ""
			if f.Summary != nil {
				title = f.Title
			}
			row.printf("%s\t%s\t%s\t%s\t%s\t%s\t", clean(f.Package), clean(f.Installed), cmp.Or(clean(f.Fixed), "-"),
				clean(f.ID), f.Severity, layerName(f))
			if marked {
				row.printf("%s\t", markText(f.Mark))
			}
			row.printf("%s\n", shorten(clean(title), 60))
		}
	})
}

// layerName counts layers as people do, from 1 at the bottom.
func layerName(f Finding) string {
	switch {
	case f.LayerIndex < 0:
		return "-"
	case f.InBase:
		return fmt.Sprintf("%d (base)", f.LayerIndex+1)
	}
	return fmt.Sprintf("%d", f.LayerIndex+1)
}

func markText(m *vex.Mark) string {
	if m == nil {
		return "-"
	}
	text := string(m.Status)
	if why := cmp.Or(m.Statement, m.Justification); why != "" {
		text += ": " + shorten(clean(why), 40)
	}
	return text
}

func (p *printer) sightings(title string, list []Sighting) {
	if len(list) == 0 {
		return
	}
	p.table(title+"\tPATH\tLAYER\tEVIDENCE", func(row *printer) {
		for _, s := range list {
			path := clean(s.Path)
			if s.Line > 0 {
				path += fmt.Sprintf(":%d", s.Line)
			}
			evidence := clean(s.Evidence)
			if s.Deleted {
				evidence += ", deleted above and still in the image"
			}
			if s.Mark != nil {
				evidence += ", " + markText(s.Mark)
			}
			layer := "-"
			if s.Layer >= 0 {
				layer = fmt.Sprintf("%d", s.Layer+1)
			}
			row.printf("%s\t%s\t%s\t%s\n", clean(cmp.Or(s.Title, s.Rule)), path, layer, evidence)
		}
	})
}

func (p *printer) checks(list []Check) {
	if len(list) == 0 {
		return
	}
	p.table("CHECK\tLEVEL\tDESCRIPTION\tFOUND", func(row *printer) {
		for _, c := range list {
			found := "-"
			if c.Level != compliance.Pass && len(c.Messages) > 0 {
				found = shorten(clean(c.Messages[0]), 60)
				if more := len(c.Messages) - 1; more > 0 {
					found += fmt.Sprintf(" and %d more", more)
				}
			}
			level := string(c.Level)
			if c.Mark != nil {
				level += " (" + string(c.Mark.Status) + ")"
			}
			row.printf("%s\t%s\t%s\t%s\n", c.ID, level, c.Description, found)
		}
	})
}

// table lines columns up.
func (p *printer) table(header string, rows func(*printer)) {
	if p.err != nil {
		return
	}
	p.printf("\n")
	table := tabwriter.NewWriter(p.w, 0, 4, 2, ' ', 0)
	row := &printer{w: table}
	row.printf("%s\n", header)
	rows(row)
	if p.err == nil {
		p.err = cmp.Or(row.err, table.Flush())
	}
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

func baseLine(b baseimage.Base) string {
	text := cmp.Or(clean(b.Name), clean(b.Digest), "unnamed")
	switch {
	case b.Evidence == baseimage.ByLayers:
		return fmt.Sprintf("%s, %s", text, count(b.Layers, "layer"))
	case b.Layers > 0:
		return fmt.Sprintf("%s, %s as the history tells", text, count(b.Layers, "layer"))
	}
	return text + ", as the labels tell"
}

func totalLine(i Image) string {
	counts := totals(i.Findings)
	words := []string{}
	open := 0
	for _, s := range match.Severities() {
		name := strings.ToLower(s.String())
		words = append(words, fmt.Sprintf("%d %s", counts[name], name))
		open += counts[name]
	}
	total := fmt.Sprintf("%d vulnerabilities", open)
	if open == 1 {
		total = "1 vulnerability"
	}
	total += ": " + strings.Join(words, ", ")
	if i.Settled > 0 {
		total += fmt.Sprintf("; %d settled", i.Settled)
	}
	if i.Filtered > 0 {
		total += fmt.Sprintf("; %d left out", i.Filtered)
	}
	return total
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
