package vex

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muster-sec/muster/scanner/limit"
)

// maxDocument bounds one document; the largest published ones have some megabytes.
const maxDocument = 64 << 20

// maxStatements bounds the statements of one document.
const maxStatements = 500_000

// Read reads a VEX document of any kind; source is the name that marks carry.
// It returns ErrFormat, ErrMalformed, an error of package limit, or what the
// reader returned.
func Read(r io.Reader, source string) ([]Statement, error) {
	raw, err := limit.ReadAll(r, "vex_bytes", maxDocument)
	if err != nil {
		return nil, fmt.Errorf("vex: read %s: %w", source, err)
	}
	var shape struct {
		Context   json.RawMessage `json:"@context"`
		BOMFormat string          `json:"bomFormat"`
		Document  struct {
			CSAFVersion string `json:"csaf_version"`
		} `json:"document"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &shape); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, source, err)
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	var statements []Statement
	switch {
	case strings.Contains(string(shape.Context), "openvex.dev/ns"):
		statements, err = readOpenVEX(raw)
	case shape.Document.CSAFVersion != "":
		statements, err = readCSAF(raw)
	case shape.BOMFormat == "CycloneDX":
		statements, err = readCycloneDX(raw)
	default:
		return nil, fmt.Errorf("%w: %s", ErrFormat, source)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, source)
	}
	for i := range statements {
		statements[i].Kind, statements[i].Mark.Source = Vulnerability, source
	}
	return statements, limit.Check("vex_statements", maxStatements, int64(len(statements)))
}

// moment reads a time as documents write it; the zero time when it is absent or
// unreadable, which makes the statement the oldest.
func moment(texts ...string) time.Time {
	for _, text := range texts {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// productOf reads how documents name products: a package URL, of an image or of
// a package, or a digest. Other names (CPEs, a site's own words) are not
// comparable and give false.
func productOf(name string) (Product, bool) {
	switch {
	case strings.HasPrefix(name, "pkg:oci/"), strings.HasPrefix(name, "pkg:docker/"):
		return Product{Image: name}, true
	case strings.HasPrefix(name, "pkg:"):
		return Product{Package: name}, true
	case strings.HasPrefix(name, "sha256:"):
		return Product{Image: name}, true
	}
	return Product{}, false
}
