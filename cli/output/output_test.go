package output_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/cli/output"
)

type sample struct {
	Zebra string    `json:"zebra"`
	Apple []string  `json:"apple"`
	Text  string    `json:"text"`
	None  []string  `json:"none"`
	When  time.Time `json:"when,omitzero"`
	Count int       `json:"count"`
}

func value() sample {
	return sample{
		Zebra: "yes", Apple: []string{"a<b", "*"}, Text: "two\nlines", None: []string{},
		When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Count: 3,
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		format output.Format
		want   string
	}{
		"json keeps characters and order": {output.JSON, `{
  "zebra": "yes",
  "apple": [
    "a<b",
    "*"
  ],
  "text": "two\nlines",
  "none": [],
  "when": "2026-01-02T03:04:05Z",
  "count": 3
}
`},
		"yaml has the same keys and quotes only where needed": {output.YAML, `zebra: "yes"
apple:
  - a<b
  - '*'
text: |-
  two
  lines
none: []
when: "2026-01-02T03:04:05Z"
count: 3
`},
		"table": {output.Text, `NAME  COUNT
yes   3
-     12

Zebra:  yes
in all 3
`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			v := value()
			err := output.Write(&b, tt.format, v, func(tab *output.Table) {
				tab.Header("NAME", "COUNT")
				tab.Row(v.Zebra, v.Count)
				tab.Row("", 12)
				tab.Gap()
				tab.Field("Zebra", v.Zebra)
				tab.Field("Empty", "")
				tab.Line("in all %d", v.Count)
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	got := output.Clean("a\x1b[31mred\nnext\u202eevil")
	if want := "a\ufffd[31mred next\ufffdevil"; got != want {
		t.Errorf("Clean = %q, want %q", got, want)
	}
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]output.Format{"": output.Text, "JSON": output.JSON, "yaml": output.YAML} {
		if got, err := output.ParseFormat(in); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v", in, got, err)
		}
	}
	if _, err := output.ParseFormat("xml"); err == nil {
		t.Error("xml was accepted")
	}
}
