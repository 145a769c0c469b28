// Package secrets finds credentials in text: keys and tokens whose form tells
// what they are. It prefers missing one to crying wolf, reads streams of any
// length in constant memory, and never gives away what it found: evidence is
// masked.
package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	// windowBytes is how much text is looked at together; overlapBytes of it are
	// looked at again with what follows, so that nothing is cut in two.
	windowBytes  = 256 << 10
	overlapBytes = 8 << 10
	// maxMatches bounds what is reported of one text.
	maxMatches = 100
	// sniffBytes at the beginning decide whether it is text.
	sniffBytes = 8 << 10
)

// Match is one credential found.
type Match struct {
	// Rule is the id of the rule and Title its name.
	Rule, Title string
	// Line is the line on which the secret begins, from 1.
	Line int
	// Masked is the secret's first characters and its length.
	Masked string
}

// Detector looks for credentials. It is immutable and safe for concurrent use.
type Detector struct{ rules []rule }

// New returns a detector of all rules.
func New() *Detector { return &Detector{rules: rules()} }

// Rules returns the ids of all rules, sorted.
func (d *Detector) Rules() []string {
	var ids []string
	for _, r := range d.rules {
		ids = append(ids, r.id)
	}
	slices.Sort(ids)
	return ids
}

// Text looks through a short text: the value of a variable, a command.
func (d *Detector) Text(text string) []Match {
	matches, err := d.Scan(strings.NewReader(text))
	if err != nil {
		return nil // a string cannot fail to be read
	}
	return matches
}

// Scan looks through a stream and returns what it found by line, each secret
// once, at most a hundred. A binary stream (one with a NUL near its beginning)
// is not read on and has none. The error is the reader's.
func (d *Detector) Scan(r io.Reader) ([]Match, error) {
	s := &search{detector: d, seen: map[found]bool{}, line: 1, first: true}
	buf := make([]byte, 0, sniffBytes)
	for first := true; ; first = false {
		room := windowBytes
		if first {
			room = sniffBytes
		}
		filled, err := fill(r, slices.Grow(buf, room)[:len(buf)+room], len(buf))
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return s.matches, fmt.Errorf("secrets: read: %w", err)
		}
		if first && bytes.IndexByte(filled, 0) >= 0 {
			return nil, nil
		}
		done := s.window(filled, last)
		if last || len(s.matches) >= maxMatches {
			return s.matches, nil
		}
		buf = append(buf[:0], filled[done:]...)
	}
}

// fill reads until buf is full and returns what it holds.
func fill(r io.Reader, buf []byte, have int) ([]byte, error) {
	n, err := io.ReadFull(r, buf[have:])
	return buf[:have+n], err
}

// found names a match, to report it once though windows overlap.
type found struct {
	rule, secret string
}

type search struct {
	detector *Detector
	matches  []Match
	seen     map[found]bool
	line     int
	first    bool
}

// window looks at text and returns how much of it need not be looked at again.
func (s *search) window(text []byte, last bool) int {
	lower := bytes.ToLower(text)
	before := len(s.matches)
	for _, r := range s.detector.rules {
		if !slices.ContainsFunc(r.keywords, func(k string) bool { return bytes.Contains(lower, []byte(k)) }) {
			continue
		}
		for _, at := range r.expression.FindAllSubmatchIndex(text, maxMatches) {
			// What touches an edge may go on beyond it; the other window has it whole.
			if at[0] == 0 && !s.first || at[1] == len(text) && !last {
				continue
			}
			s.add(r, text, at)
		}
	}
	s.first = false
	slices.SortStableFunc(s.matches[before:], func(a, b Match) int { return a.Line - b.Line })
	if last || len(text) <= overlapBytes {
		return 0
	}
	done := len(text) - overlapBytes
	s.line += bytes.Count(text[:done], []byte("\n"))
	return done
}

func (s *search) add(r rule, text []byte, at []int) {
	from, to := at[0], at[1]
	if len(at) > 2 {
		from, to = at[2], at[3]
	}
	secret := text[from:to]
	if len(s.matches) >= maxMatches || entropy(secret) < r.entropy || placeholder(secret) {
		return
	}
	f := found{r.id, string(secret)}
	if s.seen[f] {
		return
	}
	s.seen[f] = true
	s.matches = append(s.matches, Match{
		Rule: r.id, Title: r.title, Line: s.line + bytes.Count(text[:from], []byte("\n")), Masked: mask(secret),
	})
}

// mask keeps what tells the kind of token and not the token.
func mask(secret []byte) string {
	shown := min(4, len(secret)/8)
	return fmt.Sprintf("%s**** (%d characters)", secret[:shown], len(secret))
}

// placeholder recognises what documentation writes where a secret would be.
func placeholder(secret []byte) bool {
	lower := bytes.ToLower(secret)
	for _, word := range []string{"example", "placeholder", "changeme", "your_", "your-", "xxxxx", "password", "dummy", "redacted", "00000000", "123456789"} {
		if bytes.Contains(lower, []byte(word)) {
			return true
		}
	}
	return false
}

// entropy is Shannon's, in bits per byte.
func entropy(text []byte) float64 {
	var counts [256]int
	for _, b := range text {
		counts[b]++
	}
	var sum float64
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(text))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}
