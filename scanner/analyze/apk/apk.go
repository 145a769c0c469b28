// Package apk reads the database of Alpine's package manager.
package apk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"

	version "github.com/knqyf263/go-apk-version"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxLine bounds one line of the database. The longest real lines are the
// provides of large packages, some ten kilobytes.
const maxLine = 1 << 20

// errNoPackages is reported for a database that is not empty and yet holds no
// package, because silence would look like an image without packages.
var errNoPackages = errors.New("apk: no package record in a database that is not empty")

// Analyzer recognises lib/apk/db/installed and its place after the /usr merge.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "apk" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 2 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return f.Path == "lib/apk/db/installed" || f.Path == "usr/lib/apk/db/installed"
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{owned: analyze.NewPathSet()} }

type run struct {
	sets  []inventory.SourceSet
	owned *analyze.PathSet
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	packages, err := parse(body, func(file string) { r.owned.Add(r.owned.Hash(file)) })
	set := inventory.PackageSet{Ecosystem: inventory.Apk, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	if err == nil && len(packages) == 0 && f.Size > 0 {
		return errNoPackages
	}
	return err
}

func (r *run) Result() analyze.Result {
	return analyze.Result{Sets: r.sets, Owned: r.owned}
}

// parse reads the installed database, a sequence of paragraphs of "X:value"
// lines as the Alpine wiki's "Apk spec" describes it: P name, V version, o
// origin (source package), A architecture, F directory and R file within it. A
// name that occurs twice counts once; what was read before an error is returned
// with it.
func parse(body io.Reader, owned func(file string)) ([]inventory.Package, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	var packages []inventory.Package
	var problem error
	seen := map[string]bool{}
	var current inventory.Package
	var dir string
	flush := func() {
		switch {
		case current.Name == "" || seen[current.Name]:
		case current.Version == "" || !version.Valid(current.Version): // the library takes "" for one
			problem = fmt.Errorf("apk: package %.100q has invalid version %.100q", current.Name, current.Version)
		default:
			seen[current.Name] = true
			if current.SourceName == current.Name {
				current.SourceName = ""
			}
			packages = append(packages, current)
		}
		current, dir = inventory.Package{}, ""
	}
	for lines.Scan() {
		if err := limit.Check("apk_packages", analyze.MaxPackages, int64(len(packages))); err != nil {
			return packages, err
		}
		line := lines.Text()
		if len(line) < 2 || line[1] != ':' {
			if line == "" {
				flush()
			}
			continue
		}
		value := line[2:]
		switch line[0] {
		case 'P':
			current.Name = value
		case 'V':
			current.Version = value
		case 'o':
			current.SourceName = value
		case 'A':
			current.Arch = value
		case 'F':
			dir = value
		case 'R':
			owned(path.Join(dir, value))
		}
	}
	flush()
	if err := lines.Err(); err != nil {
		return packages, fmt.Errorf("apk: read database: %w", err)
	}
	return packages, problem
}
