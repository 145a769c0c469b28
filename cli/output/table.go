package output

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Table collects lines of aligned cells. Cells are shown without control
// characters: names come from registries and pipelines, and must not be able
// to move the cursor of the terminal they are printed on.
type Table struct {
	blocks []block
}

// block is a run of lines aligned with each other.
type block struct {
	rows  [][]string
	plain bool
}

// Header starts a new group of aligned rows below these column titles.
func (t *Table) Header(titles ...string) {
	t.blocks = append(t.blocks, block{rows: [][]string{titles}})
}

// Row adds a row; cells are printed with %v, an empty one as "-".
func (t *Table) Row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = Clean(fmt.Sprint(c))
		if row[i] == "" {
			row[i] = "-"
		}
	}
	last := t.last(false)
	last.rows = append(last.rows, row)
}

// Field adds "name: value", or nothing when the value is empty.
func (t *Table) Field(name string, value any) {
	if s := fmt.Sprint(value); s != "" {
		t.Row(name+":", s)
	}
}

// Line adds a line of text that is aligned with nothing.
func (t *Table) Line(format string, args ...any) {
	last := t.last(true)
	last.rows = append(last.rows, []string{Clean(fmt.Sprintf(format, args...))})
}

// Gap ends the group of aligned rows with an empty line.
func (t *Table) Gap() {
	t.blocks = append(t.blocks, block{rows: [][]string{{""}}, plain: true}, block{})
}

func (t *Table) last(plain bool) *block {
	if n := len(t.blocks); n == 0 || t.blocks[n-1].plain != plain {
		t.blocks = append(t.blocks, block{plain: plain})
	}
	return &t.blocks[len(t.blocks)-1]
}

func (t *Table) flush(w io.Writer) error {
	for _, b := range t.blocks {
		var out strings.Builder
		tw := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
		for _, row := range b.rows {
			if _, err := fmt.Fprintln(tw, strings.Join(row, "\t")); err != nil {
				return fmt.Errorf("output: %w", err)
			}
		}
		if err := tw.Flush(); err != nil {
			return fmt.Errorf("output: %w", err)
		}
		if _, err := io.WriteString(w, out.String()); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return nil
}

// Clean replaces control characters, so that foreign text stays on its line
// and cannot steer a terminal.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
