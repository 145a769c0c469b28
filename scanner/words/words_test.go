package words_test

import (
	"testing"

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
