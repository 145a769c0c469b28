// Package output writes results for people and for programs: a table, JSON or
// YAML of the same value. It is used by the commands only; it never writes
// progress or hints.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format is how a result is written.
type Format string

// The formats.
const (
	Text Format = "table"
	JSON Format = "json"
	YAML Format = "yaml"
)

// ParseFormat accepts the names of the formats; empty means a table.
func ParseFormat(s string) (Format, error) {
	f := Format(strings.ToLower(s))
	if f == "" {
		return Text, nil
	}
	if !slices.Contains([]Format{Text, JSON, YAML}, f) {
		return "", fmt.Errorf("output: %q is not a format: use table, json or yaml", s)
	}
	return f, nil
}

// Write writes value in the format. JSON and YAML carry the same keys, those of
// the value's JSON tags, in the same order; table is called for the other.
func Write(w io.Writer, format Format, value any, table func(*Table)) error {
	switch format {
	case JSON:
		return writeJSON(w, value)
	case YAML:
		return writeYAML(w, value)
	default:
		t := &Table{}
		table(t)
		return t.flush(w)
	}
}

func writeJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("output: encode JSON: %w", err)
	}
	return nil
}

// writeYAML goes through JSON, which YAML contains, so that both formats agree
// on keys, their order and how times are written.
func writeYAML(w io.Writer, value any) error {
	var buf bytes.Buffer
	if err := writeJSON(&buf, value); err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(buf.Bytes(), &doc); err != nil {
		return fmt.Errorf("output: convert to YAML: %w", err)
	}
	blockStyle(&doc)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fmt.Errorf("output: encode YAML: %w", err)
	}
	return enc.Close()
}

// blockStyle removes JSON's braces and quotes; the encoder adds quotes where a
// text would otherwise read as something else. It knows YAML 1.2 only, so the
// words that older readers take for a boolean keep theirs.
func blockStyle(n *yaml.Node) {
	oldBool := slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(n.Value))
	empty := len(n.Content) == 0 && n.Kind != yaml.ScalarNode
	if !empty && !oldBool {
		n.Style = 0
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}
