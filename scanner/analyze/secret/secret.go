// Package secret looks for credentials in the files of a layer.
package secret

import (
	"io"
	"path"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/secrets"
)

const (
	// maxBytes is the size above which a file is not text that people wrote.
	maxBytes = 16 << 20
	// minBytes is less than the shortest credential with anything around it.
	minBytes = 20
	// maxSightings bounds what one layer reports.
	maxSightings = 1000
)

// Analyzer looks through text files. Make one with New.
type Analyzer struct{ detector *secrets.Detector }

var (
	_ analyze.Analyzer = Analyzer{}
	_ analyze.Streamer = Analyzer{}
)

// New returns the analyzer.
func New() Analyzer { return Analyzer{secrets.New()} }

// Seeks implements analyze.Seeker.
func (Analyzer) Seeks() inventory.SightingKind { return inventory.SecretSighting }

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "secret" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Streams implements analyze.Streamer: files are read as streams.
func (Analyzer) Streams() bool { return true }

// Required implements analyze.Analyzer. Compressed and compiled files are passed
// over by their names, and what documents and translates programs by its place.
func (Analyzer) Required(f analyze.File) bool {
	return f.Size >= minBytes && f.Size <= maxBytes && !opaque(path.Ext(f.Path)) && !public(f.Path)
}

func opaque(extension string) bool {
	return slices.Contains([]string{
		".7z", ".a", ".avif", ".bin", ".bmp", ".br", ".bz2", ".class", ".dll", ".eot", ".exe", ".gif", ".gmo", ".gz", ".ico", ".jar",
		".jpeg", ".jpg", ".ko", ".mo", ".mp3", ".mp4", ".o", ".otf", ".pdf", ".png", ".pyc", ".pyo", ".rlib", ".so", ".svg", ".tar",
		".tgz", ".ttf", ".wasm", ".webp", ".woff", ".woff2", ".xz", ".zip", ".zst",
	}, strings.ToLower(extension))
}

// public are folders whose content comes with programs and is the same everywhere.
func public(name string) bool {
	for _, folder := range []string{
		"usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/zoneinfo/", "usr/share/i18n/",
		"usr/share/perl/", "usr/share/perl5/", "usr/include/", "lib/apk/", "var/lib/dpkg/", "var/lib/rpm/", "var/lib/apt/", "usr/lib/locale/",
	} {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}

// Begin implements analyze.Analyzer.
func (a Analyzer) Begin() analyze.Run { return &run{detector: a.detector} }

type run struct {
	detector  *secrets.Detector
	sightings []inventory.Sighting
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	if len(r.sightings) >= maxSightings {
		return nil
	}
	matches, err := r.detector.Scan(body)
	for _, m := range matches {
		r.sightings = append(r.sightings, inventory.Sighting{
			Kind: inventory.SecretSighting, Path: f.Path, Rule: m.Rule, Title: m.Title, Line: m.Line, Evidence: m.Masked,
		})
	}
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sightings: r.sightings} }
