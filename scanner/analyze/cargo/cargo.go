// Package cargo reads Cargo.lock, which lists the crates a Rust program is built
// of. Where a Cargo.toml lies beside it in the same layer, crates that only
// development needs are left out.
package cargo

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

const (
	lockName     = "Cargo.lock"
	manifestName = "Cargo.toml"
	// maxBytes bounds one file: the largest lock files have a few hundred kilobytes,
	// and decoding takes up to forty times a file's size.
	maxBytes = 2 << 20
	// maxDepth bounds the nesting of arrays and tables; those of Cargo have a few.
	maxDepth = 100
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
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return strings.HasSuffix(f.Path, lockName) && path.Base(f.Path) == lockName ||
		strings.HasSuffix(f.Path, manifestName) && path.Base(f.Path) == manifestName
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run {
	return &run{locks: map[string][]crate{}, manifests: map[string]manifest{}}
}

type run struct {
	locks     map[string][]crate // by path
	manifests map[string]manifest
	total     int
}

// crate is an entry of a lock file. Dependencies are "NAME", "NAME VERSION" or
// "NAME VERSION (SOURCE)".
type crate struct {
	Name         string   `toml:"name"`
	Version      string   `toml:"version"`
	Dependencies []string `toml:"dependencies"`
}

func (c crate) id() string { return c.Name + "@" + c.Version }

func (r *run) Read(f analyze.File, body io.Reader) error {
	text, err := limit.ReadAll(body, "cargo_bytes", maxBytes)
	if err != nil {
		return fmt.Errorf("cargo: read: %w", err)
	}
	if path.Base(f.Path) == manifestName {
		if len(r.manifests) == maxManifests {
			return nil
		}
		var m manifest
		if err := decode(text, &m); err != nil {
			return fmt.Errorf("cargo: parse Cargo.toml: %w", err)
		}
		r.manifests[f.Path] = m
		return nil
	}
	var lock struct {
		Package []crate `toml:"package"`
	}
	if err = decode(text, &lock); err == nil {
		r.total += len(lock.Package)
		err = limit.Check("cargo_packages", analyze.MaxPackages, int64(r.total))
	}
	if err != nil {
		r.locks[f.Path] = nil // hides what a layer below has at that path
		return fmt.Errorf("cargo: parse Cargo.lock: %w", err)
	}
	r.locks[f.Path] = lock.Package
	return nil
}

// decode reads TOML. The library has been seen to panic on documents made to do
// so, and it recurses: an exhausted stack would end the process.
func decode(text []byte, into any) (err error) {
	if err := limit.Check("toml_depth", maxDepth, limit.TOMLDepth(text)); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the document cannot be read: %v", p)
		}
	}()
	_, err = toml.Decode(string(text), into)
	return err
}

func (r *run) Result() analyze.Result {
	var result analyze.Result
	for _, file := range slices.Sorted(maps.Keys(r.locks)) {
		crates := r.locks[file]
		if root, ok := r.manifests[path.Join(path.Dir(file), manifestName)]; ok {
			crates = r.needed(crates, root, path.Dir(file))
		}
		set := inventory.PackageSet{Ecosystem: inventory.Rust}
		for _, c := range crates {
			if c.Name != "" && c.Version != "" {
				set.Packages = append(set.Packages, inventory.Package{Name: c.Name, Version: c.Version})
			}
		}
		set.Canonical()
		result.Sets = append(result.Sets, inventory.SourceSet{Path: file, Set: set})
	}
	return result
}

// needed keeps the crates that the program itself and the other members of its
// workspace need to run, and those themselves.
func (r *run) needed(crates []crate, root manifest, dir string) []crate {
	byID, byName := map[string]crate{}, map[string]crate{}
	for _, c := range crates {
		byID[c.id()], byName[c.Name] = c, c
	}
	asked, own := root.dependencies(), []string{root.id("")}
	for _, member := range r.members(root, dir) {
		own = append(own, member.id(root.Workspace.Package.Version))
		for name, constraint := range member.dependencies() {
			if _, known := asked[name]; !known {
				asked[name] = constraint
			}
		}
	}
	kept := map[string]crate{}
	var queue []crate
	keep := func(c crate) {
		if _, known := kept[c.id()]; !known {
			kept[c.id()] = c
			queue = append(queue, c)
		}
	}
	for _, c := range crates {
		if constraint, wanted := asked[c.Name]; wanted && satisfies(c.Version, constraint) {
			keep(c)
			delete(asked, c.Name) // the first version that fits is the one
		}
	}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		for _, text := range c.Dependencies {
			words := strings.Fields(text)
			switch {
			case len(words) == 1 && byName[words[0]].Name != "":
				keep(byName[words[0]])
			case len(words) > 1:
				if d, ok := byID[words[0]+"@"+words[1]]; ok {
					keep(d)
				}
			}
		}
	}
	for _, id := range own {
		if c, ok := byID[id]; ok {
			kept[id] = c
		}
	}
	return slices.Collect(maps.Values(kept))
}

// members are the manifests of the workspace that lie in this layer.
func (r *run) members(root manifest, dir string) []manifest {
	var found []manifest
	for _, pattern := range root.Workspace.Members {
		want := path.Join(dir, pattern, manifestName)
		for _, file := range slices.Sorted(maps.Keys(r.manifests)) {
			if match, err := path.Match(want, file); err == nil && match {
				found = append(found, r.manifests[file])
			}
		}
	}
	return found
}
