// Package julia reads the Manifest.toml files of Julia projects, which list the
// packages that were resolved for a Project.toml beside them.
package julia

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
	manifestName = "Manifest.toml"
	projectName  = "Project.toml"
	// maxBytes bounds one file; real ones have some ten kilobytes.
	maxBytes = 2 << 20
)

// Analyzer recognises Manifest.toml and Project.toml.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "julia" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	name := path.Base(f.Path)
	return name == manifestName || name == projectName
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run {
	return &run{manifests: map[string][]resolved{}, projects: map[string]project{}}
}

// run keeps what it read until the end of the layer, because the two files of a
// project come in any order.
type run struct {
	manifests map[string][]resolved
	projects  map[string]project
	total     int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	if path.Base(f.Path) == projectName {
		// Of two files with one name in a layer, the later counts. A project that
		// cannot be read still says that the manifest is one.
		r.projects[f.Path] = project{everything: true}
		p, err := parseProject(body)
		if err != nil {
			return fmt.Errorf("dependencies for tests are not told apart: %w", err)
		}
		r.projects[f.Path] = p
		return nil
	}
	r.manifests[f.Path] = nil
	packages, err := parseManifest(body)
	r.total += len(packages)
	if err == nil {
		err = limit.Check("julia_packages", analyze.MaxPackages, int64(r.total))
	}
	if err == nil {
		r.manifests[f.Path] = packages
	}
	return err
}

func (r *run) Result() analyze.Result {
	var result analyze.Result
	for _, file := range slices.Sorted(maps.Keys(r.manifests)) {
		// Without a project nothing of a manifest is said to be in use.
		project := r.projects[path.Join(path.Dir(file), projectName)]
		set := inventory.PackageSet{Ecosystem: inventory.Julia}
		for _, p := range project.needed(r.manifests[file]) {
			set.Packages = append(set.Packages, inventory.Package{Name: p.name, Version: p.version})
		}
		set.Canonical()
		result.Sets = append(result.Sets, inventory.SourceSet{Path: file, Set: set})
	}
	return result
}
