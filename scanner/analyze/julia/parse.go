package julia

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/muster-sec/muster/scanner/limit"
)

// unknownVersion is what a package of the standard library has in a manifest
// that does not tell its Julia.
const unknownVersion = "unknown"

// errShape says that a manifest's dependencies are written in no known way.
var errShape = errors.New("dependencies of an unknown form")

// resolved is one package of a manifest
// (https://pkgdocs.julialang.org/v1/toml-files/#Manifest.toml).
type resolved struct {
	uuid, name, version string
	// needs are the uuids of what the package depends on.
	needs []string
}

// entry is a package as it is written. A package of the standard library has no
// version: it has Julia's.
type entry struct {
	UUID    string `toml:"uuid"`
	Version string `toml:"version"`
	// Deps is a list of names, or a table of uuids by name where names repeat.
	Deps any `toml:"deps"`
}

// project is what a Project.toml says
// (https://pkgdocs.julialang.org/v1/toml-files/#Project.toml). Its [extras] are
// for tests and of no interest.
type project struct {
	Deps map[string]string `toml:"deps"`
	// everything is set when the file could not be read.
	everything bool
}

func parseProject(body io.Reader) (project, error) {
	var p project
	text, err := read(body)
	if err != nil {
		return project{}, err
	}
	if err := text.Decode(&p); err != nil {
		return project{}, fmt.Errorf("julia: parse Project.toml: %w", err)
	}
	return p, nil
}

func parseManifest(body io.Reader) ([]resolved, error) {
	text, err := read(body)
	if err != nil {
		return nil, err
	}
	// Manifests had no head before Julia 1.6.2: all tables are packages.
	julia := unknownVersion
	var packages map[string][]entry
	if err := text.Decode(&packages); err != nil {
		var doc struct {
			Julia  string             `toml:"julia_version"`
			Format string             `toml:"manifest_format"`
			Deps   map[string][]entry `toml:"deps"`
		}
		if err := text.Decode(&doc); err != nil {
			return nil, fmt.Errorf("julia: parse Manifest.toml: %w", err)
		}
		if doc.Format == "" {
			return nil, fmt.Errorf("julia: parse Manifest.toml: %w", err)
		}
		julia, packages = doc.Julia, doc.Deps
	}
	var result []resolved
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		for _, e := range packages[name] {
			needs, err := uuids(e.Deps, packages)
			if err != nil {
				return nil, fmt.Errorf("julia: %q in Manifest.toml: %w", name, err)
			}
			version := e.Version
			if version == "" {
				version = julia
			}
			result = append(result, resolved{uuid: e.UUID, name: name, version: version, needs: needs})
		}
	}
	return result, nil
}

// uuids reads what a package depends on.
func uuids(deps any, packages map[string][]entry) ([]string, error) {
	var result []string
	switch list := deps.(type) {
	case nil:
	case []any:
		for _, item := range list {
			name, ok := item.(string)
			if !ok || len(packages[name]) != 1 {
				return nil, fmt.Errorf("%w: %.100q", errShape, fmt.Sprint(item))
			}
			result = append(result, packages[name][0].UUID)
		}
	case map[string]any:
		for name, item := range list {
			uuid, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("%w: %.100q", errShape, name)
			}
			result = append(result, uuid)
		}
	default:
		return nil, errShape
	}
	return result, nil
}

// needed returns the packages that the project depends on, directly or not.
func (p project) needed(packages []resolved) []resolved {
	if p.everything {
		return packages
	}
	byUUID := map[string]resolved{}
	for _, r := range packages {
		byUUID[r.uuid] = r
	}
	kept := map[string]resolved{}
	var queue []string
	take := func(uuid string) {
		r, known := byUUID[uuid]
		if _, done := kept[uuid]; known && !done {
			kept[uuid] = r
			queue = append(queue, uuid)
		}
	}
	for _, uuid := range p.Deps {
		take(uuid)
	}
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		for _, uuid := range byUUID[next].needs {
			take(uuid)
		}
	}
	return slices.Collect(maps.Values(kept))
}

func read(body io.Reader) (limit.TOML, error) {
	doc, err := limit.ReadTOML(body, "julia_bytes", maxBytes)
	if err != nil {
		return nil, fmt.Errorf("julia: read: %w", err)
	}
	return doc, nil
}
