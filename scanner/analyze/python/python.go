// Package python reads the metadata of installed Python packages: wheels
// (*.dist-info/METADATA), eggs as files, as folders, and as zip archives.
package python

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"path"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

const (
	// maxMetadata bounds the header of a metadata file; in old formats it holds
	// the whole description.
	maxMetadata = 4 << 20
	// maxEgg bounds a zipped egg.
	maxEgg = 64 << 20
	// maxEntries bounds the files of a zipped egg.
	maxEntries = 65536
)

// errIncomplete is reported for metadata without a name or a version.
var errIncomplete = errors.New("python: metadata without name or version")

// Analyzer recognises the metadata of installed packages, and zipped eggs.
type Analyzer struct{}

var _ analyze.Streamer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "python" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Streams implements analyze.Streamer.
func (Analyzer) Streams() bool { return true }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return isWheel(f.Path) || isEgg(f.Path) || path.Ext(f.Path) == ".egg"
}

func isWheel(name string) bool {
	return path.Base(name) == "METADATA" && strings.Contains(name, ".dist-info")
}

// isEgg recognises the forms of https://setuptools.pypa.io/en/latest/deprecated/python_eggs.html.
func isEgg(name string) bool {
	for _, suffix := range []string{"EGG-INFO/PKG-INFO", ".egg-info", ".egg-info/PKG-INFO", ".egg-info/METADATA"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct{ sets []inventory.SourceSet }

func (r *run) Read(f analyze.File, body io.Reader) error {
	var packages []inventory.Package
	var err error
	if path.Ext(f.Path) == ".egg" {
		packages, err = parseEgg(f, body)
	} else {
		packages, err = parse(body)
	}
	if tooMany := limit.Check("python_packages", analyze.MaxPackages, int64(len(r.sets)+1)); tooMany != nil {
		return tooMany
	}
	set := inventory.PackageSet{Ecosystem: inventory.Python, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// parse reads the header of a file in the format of Python's core metadata, which
// is that of mail. What was read before a malformed line counts.
func parse(body io.Reader) ([]inventory.Package, error) {
	limited := limit.Reader(body, "python_metadata_bytes", maxMetadata)
	header, err := textproto.NewReader(bufio.NewReader(limited)).ReadMIMEHeader()
	if errors.Is(err, limit.ErrExceeded) {
		return nil, err
	}
	p := inventory.Package{Name: header.Get("Name"), Version: header.Get("Version")}
	if p.Name == "" || p.Version == "" {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: %w", errIncomplete, err)
		}
		return nil, errIncomplete
	}
	return []inventory.Package{p}, nil
}

// parseEgg reads the metadata inside a zipped egg; one without is no package.
func parseEgg(f analyze.File, body io.Reader) ([]inventory.Package, error) {
	held, err := spool.Hold(body, f.Size, maxEgg, "python_egg_bytes")
	if err != nil {
		return nil, err
	}
	packages, err := eggPackages(held)
	return packages, errors.Join(err, held.Close())
}

func eggPackages(held *spool.File) ([]inventory.Package, error) {
	if err := limit.Check("python_egg_entries", maxEntries, limit.ZipEntries(held.Bytes())); err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(held.Reader(), held.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("python: egg: %w", err)
	}
	for _, entry := range archive.File {
		if !isEgg(entry.Name) {
			continue
		}
		metadata, err := entry.Open()
		if err != nil {
			return nil, fmt.Errorf("python: egg: %w", err)
		}
		packages, err := parse(metadata)
		return packages, errors.Join(err, metadata.Close())
	}
	return nil, nil
}
