package vex

import (
	"regexp"
	"strings"
)

// pattern is a compiled path pattern: ? is one character and * many of a file's
// name, ** crosses folders.
type pattern struct{ expression *regexp.Regexp }

func compilePattern(text string) pattern {
	var b strings.Builder
	b.WriteString(`\A`)
	for text = strings.TrimPrefix(text, "/"); text != ""; {
		rest, word := "", ""
		switch {
		case strings.HasPrefix(text, "**/"):
			rest, word = text[3:], `(?:.*/)?`
		case strings.HasPrefix(text, "**"):
			rest, word = text[2:], `.*`
		case text[0] == '*':
			rest, word = text[1:], `[^/]*`
		case text[0] == '?':
			rest, word = text[1:], `[^/]`
		default:
			end := strings.IndexAny(text, "*?")
			if end < 0 {
				end = len(text)
			}
			rest, word = text[end:], regexp.QuoteMeta(text[:end])
		}
		b.WriteString(word)
		text = rest
	}
	b.WriteString(`\z`)
	expression, err := regexp.Compile("(?s)" + b.String())
	if err != nil {
		// A pattern beyond the size of regular expressions matches nothing.
		return pattern{}
	}
	return pattern{expression}
}

func (p pattern) matches(path string) bool {
	return p.expression != nil && p.expression.MatchString(path)
}
