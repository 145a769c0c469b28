package limit_test

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/muster-sec/muster/scanner/limit"
)

func TestTOMLDepth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"":                                       0,
		"a = 1":                                  0,
		"[[package]]\nname = 'x'":                2,
		"a = [[1], [2, [3]]]":                    3,
		"a = {b = {c = []}}":                     3,
		"# [[[[[\na = []":                        1,
		`a = "[[[[" # "` + "\nb = [[]]":          2,
		`a = "\"[[[["`:                           0,
		"a = '\\'\nb = [[]]":                     2,
		"a = \"\"\"[[\n[[\\\"\"\"\"\nb = [[[]]]": 3,
		"a = '''[[''''\nb = [[[]]]":              3,
		`a = """x"""""` + "\nb = [[]]":           2,
		`a = "open` + "\n[[[":                    3,
		`a = """open [[[`:                        0,
		"]]]][[":                                 2,
		"a = \"\\":                               0,
	} {
		if got := limit.TOMLDepth([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// FuzzTOMLDepth compares with what a decoder sees.
func FuzzTOMLDepth(f *testing.F) {
	for _, text := range []string{"a = [[1], [2, [3]]]", "a = {b = {c = []}}", "a = '''[[''''\nb = [[[]]]", `a = """x"""""`, "[[a]]\nb = \"[\""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > 1000 {
			return
		}
		var doc map[string]any
		if _, err := toml.Decode(text, &doc); err != nil {
			return
		}
		var values int64
		for _, v := range doc {
			values = max(values, nested(v))
		}
		if got := limit.TOMLDepth([]byte(text)); got < values {
			t.Errorf("%q: %d, the decoder saw %d", text, got, values)
		}
	})
}

// nested counts arrays within arrays, which only brackets can make.
func nested(v any) int64 {
	items, ok := v.([]any)
	if !ok {
		return 0
	}
	var deepest int64
	for _, item := range items {
		deepest = max(deepest, nested(item))
	}
	return deepest + 1
}
