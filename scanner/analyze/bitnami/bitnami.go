// Package bitnami reads what Bitnami's images say of the components that they
// bring without a package manager: an SPDX document in the folder of each
// (https://github.com/bitnami/vulndb). No other file names them.
package bitnami

import (
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

// maxBytes bounds one document; those of the largest components have a few megabytes.
const maxBytes = 16 << 20

// Analyzer recognises bills of materials below opt/bitnami.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "bitnami" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return strings.HasPrefix(f.Path, "opt/bitnami/") && !strings.Contains(f.Path, ".dist-info/sboms/") &&
		slices.ContainsFunc([]string{".spdx", ".spdx.json", ".cdx", ".cdx.json"}, func(ending string) bool {
			return strings.HasSuffix(f.Path, ending)
		})
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct {
	sets  []inventory.SourceSet
	total int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	document, err := sbom.Read(limit.Reader(body, "bitnami_bytes", maxBytes))
	if err != nil {
		return err
	}
	r.total += len(document.Packages)
	if err := limit.Check("bitnami_packages", analyze.MaxPackages, int64(r.total)); err != nil {
		return err
	}
	sets := map[inventory.Ecosystem][]inventory.Package{}
	for _, l := range document.Packages {
		p := l.Package
		// The system's packages are known from its own database, and paths are
		// relative to the component's folder.
		if l.Ecosystem.IsOS() {
			continue
		}
		p.Path = path.Join(path.Dir(f.Path), p.Path)
		sets[l.Ecosystem] = append(sets[l.Ecosystem], p)
	}
	for _, e := range slices.Sorted(maps.Keys(sets)) {
		set := inventory.PackageSet{Ecosystem: e, Packages: sets[e]}
		set.Canonical()
		r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	}
	return nil
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }
