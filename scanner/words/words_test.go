package words_test

import (
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/words"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                        nil,
		"  ":                      nil,
		"a b\tc":                  {"a", "b", "c"},
		`-X 'a.b=c d' -s`:         {"-X", "a.b=c d", "-s"},
		`x="y z"w`:                {"x=y zw"},
		`"" a`:                    {"", "a"},
		`'never closed " at all `: {`never closed " at all `},
	} {
		if diff := cmp.Diff(want, words.Split(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`-X 'a.b=c d' "" x="y z"w`)
	f.Add(`'never closed " at all`)
	f.Fuzz(func(t *testing.T, text string) {
		letters := 0
		for _, word := range words.Split(text) {
			letters += utf8.RuneCountInString(word)
		}
		if letters > utf8.RuneCountInString(text) {
			t.Errorf("%d letters of %q", letters, text)
		}
	})
}
