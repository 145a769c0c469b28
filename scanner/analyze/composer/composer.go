// Package composer reads what PHP's Composer records of the packages that it
// installed, vendor/composer/installed.json.
package composer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxBytes bounds one file; real ones have some hundred kilobytes.
const maxBytes = 4 << 20

// Analyzer recognises installed.json.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "composer" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool { return path.Base(f.Path) == "installed.json" }

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct {
	sets  []inventory.SourceSet
	total int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	packages, err := parse(body)
	r.total += len(packages)
	if err == nil {
		err = limit.Check("composer_packages", analyze.MaxPackages, int64(r.total))
	}
	if err != nil {
		packages = nil
	}
	set := inventory.PackageSet{Ecosystem: inventory.Composer, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

type installed struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// parse reads the list of Composer 2, an object, or that of Composer 1, which is
// the array alone. A package counts once, whatever its version.
func parse(body io.Reader) ([]inventory.Package, error) {
	text, err := limit.ReadAll(body, "composer_bytes", maxBytes)
	if err != nil {
		return nil, fmt.Errorf("composer: read installed.json: %w", err)
	}
	var doc struct {
		Packages []installed `json:"packages"`
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		err = json.Unmarshal(text, &doc.Packages)
	} else {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		return nil, fmt.Errorf("composer: parse installed.json: %w", err)
	}
	var packages []inventory.Package
	seen := map[string]bool{}
	for _, p := range doc.Packages {
		if p.Name != "" && p.Version != "" && !seen[p.Name] {
			seen[p.Name] = true
			packages = append(packages, inventory.Package{Name: p.Name, Version: p.Version})
		}
	}
	return packages, nil
}
