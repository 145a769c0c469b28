// Package bottlerocket reads the inventory of Bottlerocket, which has no package
// database: a list of what the system was built from.
package bottlerocket

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxBytes bounds the file; real ones have some ten kilobytes.
const maxBytes = 4 << 20

// Analyzer recognises application-inventory.json.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "bottlerocket" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	root, ok := strings.CutSuffix(f.Path, "-bottlerocket-linux-gnu/sys-root/usr/share/bottlerocket/application-inventory.json")
	return ok && (root == "aarch64" || root == "x86_64")
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct{ sets []inventory.SourceSet }

func (r *run) Read(f analyze.File, body io.Reader) error {
	packages, err := parse(body)
	if err == nil {
		err = limit.Check("bottlerocket_packages", analyze.MaxPackages, int64(len(packages)))
	}
	if err != nil {
		packages = nil
	}
	// Versions are written and compared as those of rpm.
	set := inventory.PackageSet{Ecosystem: inventory.Rpm, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// parse reads the inventory
// (https://github.com/bottlerocket-os/bottlerocket-core-kit, application inventory).
// Before release 1.20 it has no epochs.
func parse(body io.Reader) ([]inventory.Package, error) {
	text, err := limit.ReadAll(body, "bottlerocket_bytes", maxBytes)
	if err != nil {
		return nil, fmt.Errorf("bottlerocket: read the inventory: %w", err)
	}
	var doc struct {
		Content []struct {
			Name         string `json:"Name"`
			Version      string `json:"Version"`
			Release      string `json:"Release"`
			Epoch        string `json:"Epoch"`
			Architecture string `json:"Architecture"`
		} `json:"Content"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("bottlerocket: parse the inventory: %w", err)
	}
	var packages []inventory.Package
	for _, c := range doc.Content {
		p := inventory.Package{Name: c.Name, Version: c.Version, Arch: c.Architecture}
		if c.Release != "" {
			p.Version += "-" + c.Release
		}
		if c.Epoch != "" {
			epoch, err := strconv.Atoi(c.Epoch)
			if err != nil {
				return nil, fmt.Errorf("bottlerocket: epoch of %.100q: %w", c.Name, err)
			}
			if epoch != 0 {
				p.Version = strconv.Itoa(epoch) + ":" + p.Version
			}
		}
		if p.Name != "" {
			packages = append(packages, p)
		}
	}
	return packages, nil
}
