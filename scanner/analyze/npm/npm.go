// Package npm reads the package.json files of installed Node.js packages.
package npm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxBytes bounds one package.json; the largest published ones have a few
// hundred kilobytes.
const maxBytes = 8 << 20

// errName is reported for a name that npm would not accept.
var errName = errors.New("npm: name has characters that npm does not allow")

var validName = regexp.MustCompile(`^(@[A-Za-z0-9-._]+/)?[A-Za-z0-9-._]+$`)

// Analyzer recognises every package.json; those without a name and a version
// are not packages.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "npm" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool { return path.Base(f.Path) == "package.json" }

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct{ sets []inventory.SourceSet }

func (r *run) Read(f analyze.File, body io.Reader) error {
	set := inventory.PackageSet{Ecosystem: inventory.NPM}
	p, ok, err := parse(body)
	if ok {
		set.Packages = []inventory.Package{p}
	}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// parse reads one package.json. It returns false for one that is not a package
// because it has no name or no version.
func parse(body io.Reader) (inventory.Package, bool, error) {
	// The first JSON value counts and what follows it does not matter. Fields
	// other than these two have had many shapes over the years and are not looked at.
	var doc struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if err := json.NewDecoder(limit.Reader(body, "package_json_bytes", maxBytes)).Decode(&doc); err != nil {
		return inventory.Package{}, false, fmt.Errorf("npm: parse package.json: %w", err)
	}
	if doc.Name == "" || doc.Version == "" {
		return inventory.Package{}, false, nil
	}
	if !validName.MatchString(doc.Name) {
		return inventory.Package{}, false, errName
	}
	return inventory.Package{Name: doc.Name, Version: doc.Version}, true, nil
}
