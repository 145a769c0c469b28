// Package words cuts a line into words as a shell would: at blanks, except
// within quotes. It knows neither escapes nor variables.
package words

import "strings"

// Split returns the words of a line without their quotes. A quote that is not
// closed reaches to the end.
func Split(text string) []string {
	var words []string
	var word strings.Builder
	var quote rune
	inWord := false
	for _, c := range text {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}
