// Package rpm reads the databases of the RPM package manager in their three
// formats (Berkeley DB, NDB and SQLite) and the list of packages that images
// without a package manager have instead. A database is held in memory while it
// is read, within the scan's budget; readers of its format hand out package
// headers one by one.
package rpm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

const (
	// maxDatabase bounds a database; those of the largest images have some
	// hundred megabytes.
	maxDatabase = 512 << 20
	// maxHeader bounds the header of one package. Those of packages with a
	// hundred thousand files have some ten megabytes.
	maxHeader = 24 << 20
)

// Errors that say what is wrong with a database.
var (
	errFormat    = errors.New("rpm: not a package database of a known format")
	errMalformed = errors.New("rpm: malformed package database")
	errNone      = errors.New("rpm: no package in a database that is not empty")
)

// Analyzer recognises rpm's databases and manifests.
type Analyzer struct{}

var _ analyze.Streamer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "rpm" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Streams implements analyze.Streamer.
func (Analyzer) Streams() bool { return true }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool { return isDatabase(f.Path) || f.Path == manifestFile }

func isDatabase(path string) bool {
	for _, dir := range []string{"var/lib/rpm/", "usr/lib/sysimage/rpm/"} {
		if name, ok := strings.CutPrefix(path, dir); ok {
			return name == "Packages" || name == "Packages.db" || name == "rpmdb.sqlite"
		}
	}
	return path == "usr/share/rpm/rpmdb.sqlite"
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{owned: analyze.NewPathSet()} }

type run struct {
	sets     []inventory.SourceSet
	owned    *analyze.PathSet
	packages int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	var packages []inventory.Package
	var err error
	if f.Path == manifestFile {
		packages, err = parseManifest(body)
	} else {
		packages, err = r.database(f, body)
	}
	set := inventory.PackageSet{Ecosystem: inventory.Rpm, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	if err == nil && len(packages) == 0 && f.Size > 0 {
		return errNone
	}
	return err
}

func (r *run) database(f analyze.File, body io.Reader) ([]inventory.Package, error) {
	held, err := spool.Hold(body, f.Size, maxDatabase, "rpm_database_bytes")
	if err != nil {
		return nil, err
	}
	packages, err := r.parse(held.Bytes())
	return packages, errors.Join(err, held.Close())
}

// parse reads the packages of a database. What was read before an error is
// returned with it.
func (r *run) parse(data []byte) ([]inventory.Package, error) {
	var packages []inventory.Package
	var problem error
	err := eachHeader(data, func(raw []byte) error {
		if err := limit.Check("rpm_packages", analyze.MaxPackages, int64(r.packages+1)); err != nil {
			return err
		}
		r.packages++
		h, err := parseHeader(raw)
		if err != nil {
			problem = err
			return nil
		}
		p, err := h.toPackage()
		if err != nil {
			problem = err
			return nil
		}
		if !p.ThirdParty {
			h.files(func(path string) { r.owned.Add(r.owned.Hash(path)) })
		}
		packages = append(packages, p)
		return nil
	})
	return packages, errors.Join(err, problem)
}

// eachHeader tells the format by the first bytes and calls f with the header of
// each package, which is only valid during the call. Headers that overlap, as no
// honest database has them, end the reading once they sum up to more than all.
func eachHeader(data []byte, f func([]byte) error) error {
	left := len(data)
	bounded := func(header []byte) error {
		if left -= len(header); left < 0 {
			return fmt.Errorf("%w: headers overlap", errMalformed)
		}
		return f(header)
	}
	switch {
	case bytes.HasPrefix(data, []byte(sqliteMagic)):
		return eachSQLite(data, bounded)
	case bytes.HasPrefix(data, []byte(ndbMagic)):
		return eachNDB(data, bounded)
	case isBerkeley(data):
		return eachBerkeley(data, bounded)
	}
	return errFormat
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets, Owned: r.owned} }
