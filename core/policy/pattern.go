package policy

import (
	"slices"
	"strings"
)

// pattern is text in which * stands for any text, slashes included, and ? for
// one byte. It is matched whole.
type pattern struct {
	text string
	wild bool
}

func newPattern(text string) pattern {
	return pattern{text: text, wild: strings.ContainsAny(text, "*?")}
}

// match takes at most len(p) × len(s) steps: only the last star is tried again.
func (p pattern) match(s string) bool {
	if !p.wild {
		return p.text == s
	}
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p.text) && p.text[i] == '*':
			star, mark = i, j
			i++
		case i < len(p.text) && (p.text[i] == '?' || p.text[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p.text[i:], "*") == ""
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
	for v := range strings.SplitSeq(value, ",") {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}
