// Package cargo reads the Cargo.lock files of Rust projects, which list what a
// program was built with, and the Cargo.toml files beside them, which tell what
// of it was needed for tests only.
package cargo

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

const (
	lockName     = "Cargo.lock"
	manifestName = "Cargo.toml"
	// maxLockBytes and maxManifestBytes bound one file; the longest real ones have
	// some hundred kilobytes.
	maxLockBytes     = 2 << 20
	maxManifestBytes = 1 << 20
	// maxSteps bounds the steps from workspaces to their members in one layer.
	maxSteps = 2_000_000
	// maxManifests bounds the Cargo.toml kept of a layer: a registry of crates has
	// one for each, and only those beside a lock file or of its workspace matter.
	maxManifests = 10_000
)

// Analyzer recognises Cargo.lock and Cargo.toml.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "cargo" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 2 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	name := path.Base(f.Path)
	return name == lockName || name == manifestName
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run {
	return &run{locks: map[string]lock{}, manifests: map[string]manifest{}, steps: maxSteps}
}

// run keeps what it read until the end of the layer, because the two files of a
// project come in any order.
type run struct {
	locks     map[string]lock
	manifests map[string]manifest
	total     int
	steps     int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	if path.Base(f.Path) == manifestName {
		// Of two files with one name in a layer, the later counts.
		delete(r.manifests, f.Path)
		m, err := parseManifest(body)
		if err == nil && len(r.manifests) < maxManifests {
			r.manifests[f.Path] = m
		}
		if err != nil {
			return fmt.Errorf("dependencies for tests are not told apart: %w", err)
		}
		return nil
	}
	r.locks[f.Path] = lock{}
	l, err := parseLock(body)
	r.total += len(l.packages)
	if err == nil {
		err = limit.Check("cargo_packages", analyze.MaxPackages, int64(r.total))
	}
	if err == nil {
		r.locks[f.Path] = l
	}
	return err
}

func (r *run) Result() analyze.Result {
	var result analyze.Result
	for _, file := range slices.Sorted(maps.Keys(r.locks)) {
		kept := r.locks[file].packages
		if m, known := r.manifests[path.Join(path.Dir(file), manifestName)]; known {
			kept = r.needed(path.Dir(file), m, r.locks[file])
		}
		set := inventory.PackageSet{Ecosystem: inventory.Rust}
		for _, p := range kept {
			set.Packages = append(set.Packages, inventory.Package{Name: p.Name, Version: p.Version})
		}
		set.Canonical()
		result.Sets = append(result.Sets, inventory.SourceSet{Path: file, Set: set})
	}
	return result
}

// decode reads a TOML document within bounds.
func decode(body io.Reader, name string, max int64, into any) error {
	doc, err := limit.ReadTOML(body, name, max)
	if err == nil {
		err = doc.Decode(into)
	}
	if err != nil {
		return fmt.Errorf("cargo: parse: %w", err)
	}
	return nil
}
