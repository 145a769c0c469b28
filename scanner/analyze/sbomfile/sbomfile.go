// Package sbomfile reads bills of materials that lie in an image: Analyzer names
// them, Packages takes what they list.
package sbomfile

import (
	"bytes"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

const (
	// headBytes at the beginning tell the format.
	headBytes = 4 << 10
	// maxSightings bounds what one layer reports: some images have one for each package.
	maxSightings = 1000
)

// Analyzer recognises CycloneDX and SPDX files by the names that their makers
// give them.
type Analyzer struct{}

var (
	_ analyze.Analyzer = Analyzer{}
	_ analyze.Streamer = Analyzer{}
)

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "sbomfile" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 3 }

// Streams implements analyze.Streamer: only the head is read.
func (Analyzer) Streams() bool { return true }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	name := strings.ToLower(path.Base(f.Path))
	for _, ending := range []string{".cdx.json", ".cdx", ".cyclonedx.json", ".spdx.json", ".spdx", "bom.json", "sbom.json"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct{ sightings []inventory.Sighting }

func (r *run) Read(f analyze.File, body io.Reader) error {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if format := formatOf(head[:n]); format != "" && len(r.sightings) < maxSightings {
		r.sightings = append(r.sightings, inventory.Sighting{
			Kind: inventory.SBOMSighting, Path: f.Path, Rule: format, Title: "bill of materials",
		})
	}
	return nil
}

func (r *run) Result() analyze.Result { return analyze.Result{Sightings: r.sightings} }

func formatOf(head []byte) string {
	switch {
	case bytes.Contains(head, []byte(`"CycloneDX"`)):
		return "cyclonedx"
	case bytes.Contains(head, []byte(`"spdxVersion"`)), bytes.Contains(head, []byte("SPDXVersion:")), bytes.Contains(head, []byte("spdx.org/rdf/3")):
		return "spdx"
	}
	return ""
}
