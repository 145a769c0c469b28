package policy

import (
	"slices"
	"strings"
)

// pattern is text in which * stands for any text, slashes included, and ? for
// one byte. It is matched whole.
type pattern struct {
	text  string
	wild  bool
	parts []string // of the text, between its stars
}

func newPattern(text string) pattern {
	p := pattern{text: text, wild: isWild(text)}
	if p.wild {
		p.parts = strings.Split(text, "*")
	}
	return p
}

func isWild(text string) bool { return strings.ContainsAny(text, "*?") }

// match looks for the parts from left to right and takes the first place of
// each, which is as good as any later one: nothing is tried again, however many
// stars there are. The work is the length of the text for parts without ?, and
// at most that times the length of the part for others.
func (p pattern) match(s string) bool {
	if !p.wild {
		return p.text == s
	}
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if len(p.parts) == 1 {
		return len(s) == len(first) && begins(s, first)
	}
	if len(s) < len(first)+len(last) || !begins(s, first) || !begins(s[len(s)-len(last):], last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		i := index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// begins says whether s begins with the part, whose ? is any byte.
func begins(s, part string) bool {
	if len(s) < len(part) {
		return false
	}
	for i := range len(part) {
		if part[i] != '?' && part[i] != s[i] {
			return false
		}
	}
	return true
}

// index is the first place of the part in s, or -1.
func index(s, part string) int {
	if !strings.Contains(part, "?") {
		return strings.Index(s, part)
	}
	for i := 0; i+len(part) <= len(s); i++ {
		if begins(s[i:], part) {
			return i
		}
	}
	return -1
}

func newPatterns(values []string) []pattern {
	ps := make([]pattern, len(values))
	for i, v := range values {
		ps[i] = newPattern(v)
	}
	return ps
}

func matchAny(ps []pattern, s string) bool {
	return slices.ContainsFunc(ps, func(p pattern) bool { return p.match(s) })
}

// splitValues gives the comma separated values of a criterion: trimmed, without
// empty ones and repetitions, in their order.
func splitValues(value string) []string {
	var values []string
	seen := map[string]bool{}
	for v := range strings.SplitSeq(value, ",") {
		if v = strings.TrimSpace(v); v != "" && !seen[v] {
			seen[v] = true
			values = append(values, v)
		}
	}
	return values
}
