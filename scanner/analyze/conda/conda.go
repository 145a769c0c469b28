// Package conda reads what Conda records of the packages that it installed, one
// file for each in an environment's conda-meta folder. No database has advisories
// for them; they are part of the inventory.
package conda

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxBytes bounds one file, which lists the files of its package.
const maxBytes = 16 << 20

// errIncomplete is reported for a record without a name or a version.
var errIncomplete = errors.New("conda: record without name or version")

// Analyzer recognises conda-meta/NAME-VERSION-BUILD.json.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "conda" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	dir, base := path.Split(f.Path)
	return path.Ext(base) == ".json" && strings.HasSuffix(dir, "/conda-meta/") && strings.Count(base, "-") >= 2
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct{ sets []inventory.SourceSet }

func (r *run) Read(f analyze.File, body io.Reader) error {
	set := inventory.PackageSet{Ecosystem: inventory.Conda}
	p, err := parse(body)
	if err == nil {
		set.Packages = []inventory.Package{p}
	}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

func parse(body io.Reader) (inventory.Package, error) {
	var doc struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if err := json.NewDecoder(limit.Reader(body, "conda_record_bytes", maxBytes)).Decode(&doc); err != nil {
		return inventory.Package{}, fmt.Errorf("conda: parse record: %w", err)
	}
	if doc.Name == "" || doc.Version == "" {
		return inventory.Package{}, errIncomplete
	}
	return inventory.Package{Name: doc.Name, Version: doc.Version}, nil
}
