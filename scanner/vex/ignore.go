package vex

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/muster-sec/muster/scanner/limit"
)

// maxIgnore bounds an ignore file.
const maxIgnore = 4 << 20

// ReadIgnore reads a list of accepted findings. Two forms are known, told apart
// by their content. Plain: one id on a line, "exp:2026-12-31" behind it ends it
// at that day, "#" begins a comment, and the comment of the line is the reason.
// YAML: lists named vulnerabilities, secrets and misconfigurations of objects with
// id, paths, purls, expired_at and statement. Both are the forms of .trivyignore.
// Errors wrap ErrMalformed or are of package limit, and name the line.
func ReadIgnore(r io.Reader, source string) ([]Statement, error) {
	raw, err := limit.ReadAll(r, "ignore_file_bytes", maxIgnore)
	if err != nil {
		return nil, fmt.Errorf("vex: read %s: %w", source, err)
	}
	var statements []Statement
	if isYAML(raw) {
		statements, err = readIgnoreYAML(raw)
	} else {
		statements, err = readIgnoreLines(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, source)
	}
	for i := range statements {
		statements[i].Mark.Status, statements[i].Mark.Source = Accepted, source
	}
	return statements, nil
}

// isYAML looks at the first line that says something: ids hold no colon at the end.
func isYAML(raw []byte) bool {
	for line := range bytes.Lines(raw) {
		text := strings.TrimSpace(string(line))
		if text == "" || text == "---" || strings.HasPrefix(text, "#") {
			continue
		}
		text, _, _ = strings.Cut(text, "#")
		text = strings.TrimSpace(text)
		return strings.HasSuffix(text, ":") || strings.HasPrefix(text, "{") || strings.HasSuffix(text, ": []")
	}
	return false
}

func readIgnoreLines(raw []byte) ([]Statement, error) {
	var result []Statement
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		text, reason, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		mark := Mark{Statement: strings.TrimSpace(reason)}
		for _, w := range words[1:] {
			date, ok := strings.CutPrefix(w, "exp:")
			if !ok {
				return nil, fmt.Errorf("%w: line %d: %.40q is not exp:YYYY-MM-DD", ErrMalformed, n, w)
			}
			until, err := day(date)
			if err != nil {
				return nil, fmt.Errorf("%w: line %d: %w", ErrMalformed, n, err)
			}
			mark.Until = &until
		}
		for _, kind := range []Kind{Vulnerability, Secret, Check} {
			result = append(result, Statement{Kind: kind, IDs: words[:1], Mark: mark})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return result, nil
}

// ignoreYAML is the YAML form. Licenses are part of the form and of no finding here.
type ignoreYAML struct {
	Vulnerabilities   []ignoreEntry `yaml:"vulnerabilities"`
	Secrets           []ignoreEntry `yaml:"secrets"`
	Misconfigurations []ignoreEntry `yaml:"misconfigurations"`
	Licenses          []ignoreEntry `yaml:"licenses"`
}

type ignoreEntry struct {
	ID        string   `yaml:"id"`
	Paths     []string `yaml:"paths"`
	PURLs     []string `yaml:"purls"`
	ExpiredAt string   `yaml:"expired_at"`
	Statement string   `yaml:"statement"`
}

func readIgnoreYAML(raw []byte) ([]Statement, error) {
	var doc ignoreYAML
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	// A misspelt word would silently accept more than was meant.
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var result []Statement
	for _, list := range []struct {
		kind    Kind
		entries []ignoreEntry
	}{{Vulnerability, doc.Vulnerabilities}, {Secret, doc.Secrets}, {Check, doc.Misconfigurations}} {
		for i, e := range list.entries {
			s, err := e.statement(list.kind)
			if err != nil {
				return nil, fmt.Errorf("%w: %s entry %d: %w", ErrMalformed, list.kind, i+1, err)
			}
			result = append(result, s)
		}
	}
	return result, nil
}

func (e ignoreEntry) statement(kind Kind) (Statement, error) {
	if strings.TrimSpace(e.ID) == "" {
		return Statement{}, errors.New("id is missing")
	}
	s := Statement{Kind: kind, IDs: []string{e.ID}, Paths: e.Paths, Mark: Mark{Statement: e.Statement}}
	for _, text := range e.PURLs {
		p, ok := productOf(text)
		if !ok {
			return Statement{}, fmt.Errorf("%.100q is not a package URL", text)
		}
		s.Products = append(s.Products, p)
	}
	if e.ExpiredAt != "" {
		until, err := day(e.ExpiredAt)
		if err != nil {
			return Statement{}, err
		}
		s.Mark.Until = &until
	}
	return s, nil
}

// day reads a date, the first moment of which ends an entry, or a moment.
func day(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a date as 2026-12-31", text)
}
