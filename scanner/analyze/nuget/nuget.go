// Package nuget reads what tells the libraries of .NET applications: the
// *.deps.json files that lie beside them, and the files in which projects pin
// them (packages.lock.json, packages.config, *Packages.props).
package nuget

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxBytes bounds one file; real ones have some hundred kilobytes.
const maxBytes = 4 << 20

// runtimePack is what the SDK puts before the name of the bundled runtime.
const runtimePack = "runtimepack."

// Analyzer recognises the files of .NET applications and projects.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "nuget" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 2 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool { return parserOf(f.Path) != nil }

// parserOf returns what reads a file, nil for one of another kind.
func parserOf(file string) func(io.Reader) ([]inventory.Package, error) {
	switch name := path.Base(file); {
	case strings.HasSuffix(name, ".deps.json"):
		return parse
	case name == "packages.lock.json":
		return parseLock
	case name == "packages.config":
		return parseConfig
	case strings.HasSuffix(strings.ToLower(name), "packages.props"):
		return parseProps
	}
	return nil
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct {
	sets  []inventory.SourceSet
	total int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	packages, err := parserOf(f.Path)(body)
	r.total += len(packages)
	if err == nil {
		err = limit.Check("nuget_packages", analyze.MaxPackages, int64(r.total))
	}
	if err != nil {
		packages = nil
	}
	set := inventory.PackageSet{Ecosystem: inventory.NuGet, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// dependencies is the file as https://github.com/dotnet/sdk/blob/main/documentation/specs/runtime-configuration-file.md
// describes it. Names are "name/version".
type dependencies struct {
	RuntimeTarget struct {
		Name string `json:"name"`
	} `json:"runtimeTarget"`
	Targets   map[string]map[string]target `json:"targets"`
	Libraries map[string]struct {
		Type string `json:"type"`
	} `json:"libraries"`
}

// target is a library as far as it is there when the application runs.
type target struct {
	Runtime        json.RawMessage `json:"runtime"`
	RuntimeTargets json.RawMessage `json:"runtimeTargets"`
	Native         json.RawMessage `json:"native"`
}

func (t target) runs() bool {
	return present(t.Runtime) || present(t.RuntimeTargets) || present(t.Native)
}

func present(field json.RawMessage) bool { return len(field) > 0 && string(field) != "null" }

// parse returns the libraries that the application runs with: packages, the
// bundled runtime and projects, without those that were only needed to build it.
func parse(body io.Reader) ([]inventory.Package, error) {
	text, err := limit.ReadAll(body, "deps_json_bytes", maxBytes)
	if err != nil {
		return nil, fmt.Errorf("nuget: read deps.json: %w", err)
	}
	var doc dependencies
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("nuget: parse deps.json: %w", err)
	}
	targets := map[string]target{}
	for name, t := range doc.Targets[doc.RuntimeTarget.Name] {
		targets[strings.TrimPrefix(name, runtimePack)] = t
	}
	var packages []inventory.Package
	for full, library := range doc.Libraries {
		full = strings.TrimPrefix(full, runtimePack)
		name, version, ok := strings.Cut(full, "/")
		if !ok || !counts(library.Type) {
			continue
		}
		// A library that no target mentions may well be needed.
		if t, known := targets[full]; known && !t.runs() {
			continue
		}
		packages = append(packages, inventory.Package{Name: name, Version: version})
	}
	return packages, nil
}

func counts(kind string) bool {
	return strings.EqualFold(kind, "package") || strings.EqualFold(kind, "project") || strings.EqualFold(kind, "runtimepack")
}
