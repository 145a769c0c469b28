package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Format names a form in which a document is written.
type Format string

// The formats.
const (
	FormatTable     Format = "table"
	FormatJSON      Format = "json"
	FormatTrivy     Format = "trivy"
	FormatSARIF     Format = "sarif"
	FormatCycloneDX Format = "cyclonedx"
	FormatSPDX      Format = "spdx-json"
	FormatNeuVector Format = "neuvector"
)

// ErrOneImage says that a format has room for one image only.
var ErrOneImage = errors.New("report: the format holds one image")

// Formats lists all formats.
func Formats() []Format {
	return []Format{FormatTable, FormatJSON, FormatTrivy, FormatSARIF, FormatCycloneDX, FormatSPDX, FormatNeuVector}
}

// ParseFormat reads the name of a format; empty means a table.
func ParseFormat(text string) (Format, error) {
	f := Format(strings.ToLower(text))
	if f == "" {
		return FormatTable, nil
	}
	if !slices.Contains(Formats(), f) {
		return "", fmt.Errorf("report: %.40q is not a format", text)
	}
	return f, nil
}

// Write writes a document in a format. It returns ErrOneImage for a document of
// several images where the format has no room for them.
func Write(w io.Writer, f Format, d Document) error {
	switch f {
	case FormatTable:
		return Table(w, d)
	case FormatTrivy:
		return Trivy(w, d)
	case FormatSARIF:
		return SARIF(w, d)
	case FormatCycloneDX:
		return CycloneDX(w, d)
	case FormatSPDX:
		return SPDX(w, d)
	case FormatNeuVector:
		return NeuVector(w, d)
	}
	return JSON(w, d)
}

// JSON writes the document, indented.
func JSON(w io.Writer, d Document) error { return encode(w, "json", d) }

// encode writes as encoding/json would, and holds no copy of the text, which is
// longer than what it is made from.
func encode(w io.Writer, name string, value any) error {
	enc := jsontext.NewEncoder(w, jsonv1.DefaultOptionsV1(), jsontext.EscapeForHTML(false), jsontext.WithIndent("  "))
	if err := json.MarshalEncode(enc, value); err != nil {
		return fmt.Errorf("report: write %s: %w", name, err)
	}
	return nil
}

// only returns the one image of a document.
func (d Document) only() (Image, error) {
	if len(d.Images) != 1 {
		return Image{}, fmt.Errorf("%w, and there are %d", ErrOneImage, len(d.Images))
	}
	return d.Images[0], nil
}
