// Package gem reads the specifications of installed Ruby gems.
package gem

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

const (
	// maxBytes bounds a specification; the largest list tens of thousands of files.
	maxBytes = 8 << 20
	maxLine  = 1 << 20
)

// errIncomplete is reported for a specification without a name or a version.
var errIncomplete = errors.New("gem: specification without name or version")

var (
	// specification is open at its end, for "x.gemspec.bak".
	specification = regexp.MustCompile(`/specifications/.+\.gemspec`)
	blockVariable = regexp.MustCompile(`\|(.*)\|`)
	assignedWord  = regexp.MustCompile(`\.(?:name|version)\s*=\s*(\S+)`)
)

// Analyzer recognises the *.gemspec files below a specifications folder.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "gem" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 2 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return specification.MatchString(f.Path)
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct{ sets []inventory.SourceSet }

func (r *run) Read(f analyze.File, body io.Reader) error {
	set := inventory.PackageSet{Ecosystem: inventory.Gem}
	p, err := parse(body)
	if err == nil {
		set.Packages = []inventory.Package{p}
	}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// parse reads a specification as RubyGems writes it for an installed gem: Ruby
// code of one assignment in a line, "s.name = "async".freeze".
func parse(body io.Reader) (inventory.Package, error) {
	lines := bufio.NewScanner(limit.Reader(body, "gemspec_bytes", maxBytes))
	lines.Buffer(nil, maxLine)
	var p inventory.Package
	var variable string
	var license string
	// What is assigned last counts, but nothing after a license that comes last.
	for lines.Scan() && (p.Name == "" || p.Version == "" || license == "") {
		line := strings.TrimSpace(lines.Text())
		if strings.Contains(line, "Gem::Specification.new") {
			if m := blockVariable.FindStringSubmatch(line); m != nil {
				variable = m[1]
			}
		}
		switch {
		case variable == "":
		case strings.HasPrefix(line, variable+".name"):
			p.Name = assigned(line)
		case strings.HasPrefix(line, variable+".version"):
			p.Version = assigned(line)
		case strings.HasPrefix(line, variable+".license"):
			_, license, _ = strings.Cut(line, "=")
		}
	}
	if p.Name != "" && p.Version != "" {
		return p, nil
	}
	if err := lines.Err(); err != nil {
		return p, fmt.Errorf("gem: read specification: %w", err)
	}
	return p, errIncomplete
}

// assigned returns the string that a line assigns, without quotes and ".freeze".
func assigned(line string) string {
	m := assignedWord.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return strings.Trim(strings.TrimSuffix(m[1], ".freeze"), `'"`)
}
