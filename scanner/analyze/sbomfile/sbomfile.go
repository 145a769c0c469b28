// Package sbomfile reads bills of materials that lie in an image: of what they
// list, the packages of languages count like those that are found themselves. The
// distribution's packages do not: its package database knows better.
package sbomfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/sbom"
)

const (
	// maxBytes bounds one document, which is held in memory while it is read.
	maxBytes = 8 << 20
	// headBytes at the beginning tell the format.
	headBytes = 4 << 10
	// maxSightings bounds what one layer reports: some images have one for each package.
	maxSightings = 1000
	// bitnami is where Bitnami's images have their components, with a document each
	// that names files from its own folder on.
	bitnami = "opt/bitnami/"
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
func (Analyzer) Version() int { return 2 }

// Streams implements analyze.Streamer: the bounds are its own.
func (Analyzer) Streams() bool { return true }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return hasEnding(f.Path, ".cdx.json", ".cdx", ".cyclonedx.json", ".spdx.json", ".spdx", "bom.json", "sbom.json")
}

// counts reports whether what the document lists counts. Those of Python packages
// (PEP 770) repeat what lies beside them.
func counts(file string) bool {
	return hasEnding(file, ".cdx.json", ".cdx", ".spdx.json", ".spdx") && !strings.Contains(file, ".dist-info/sboms/")
}

func hasEnding(file string, endings ...string) bool {
	name := strings.ToLower(path.Base(file))
	return slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(name, ending) })
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct {
	sets      []inventory.SourceSet
	sightings []inventory.Sighting
	total     int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	format := formatOf(head[:n])
	if format == "" {
		return nil
	}
	if len(r.sightings) < maxSightings {
		r.sightings = append(r.sightings, inventory.Sighting{
			Kind: inventory.SBOMSighting, Path: f.Path, Rule: format, Title: "bill of materials",
		})
	}
	if !counts(f.Path) || !readable(head[:n]) {
		return nil
	}
	doc, err := sbom.Read(limit.Reader(io.MultiReader(bytes.NewReader(head[:n]), body), "sbom_file_bytes", maxBytes))
	if err != nil {
		return fmt.Errorf("sbomfile: %w", err)
	}
	r.total += len(doc.Packages)
	if err := limit.Check("sbom_packages", analyze.MaxPackages, int64(r.total)); err != nil {
		return err
	}
	r.add(f.Path, doc)
	return nil
}

// add makes a set for each ecosystem.
func (r *run) add(file string, doc sbom.Document) {
	sets := map[inventory.Ecosystem][]inventory.Package{}
	for _, l := range doc.Packages {
		if l.Ecosystem.IsOS() {
			continue
		}
		p := l.Package
		switch {
		case !strings.HasPrefix(file, bitnami):
		case l.Ecosystem == inventory.Bitnami:
			p.Path = path.Dir(file)
		default:
			p.Path = path.Join(path.Dir(file), p.Path)
		}
		sets[l.Ecosystem] = append(sets[l.Ecosystem], p)
	}
	for _, e := range slices.Sorted(maps.Keys(sets)) {
		set := inventory.PackageSet{Ecosystem: e, Packages: sets[e]}
		set.Canonical()
		r.sets = append(r.sets, inventory.SourceSet{Path: file, Set: set})
	}
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets, Sightings: r.sightings} }

// readable tells JSON from the other forms, of which SPDX 3 is one too.
func readable(head []byte) bool {
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	return bytes.HasPrefix(text, []byte("{")) && !bytes.Contains(text, []byte("spdx.org/rdf/3"))
}

func formatOf(head []byte) string {
	switch {
	case bytes.Contains(head, []byte(`"CycloneDX"`)):
		return "cyclonedx"
	case bytes.Contains(head, []byte(`"spdxVersion"`)), bytes.Contains(head, []byte("SPDXVersion:")), bytes.Contains(head, []byte("spdx.org/rdf/3")):
		return "spdx"
	}
	return ""
}
