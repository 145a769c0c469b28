// Package binary reads what executables say about themselves: the modules and the
// Go release of Go programs (debug/buildinfo), and the crates of Rust programs
// built with cargo-auditable.
package binary

import (
	"bytes"
	"errors"
	"io"
	"path"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

// maxHeld is the largest executable that is taken into memory. A larger one is
// searched as it passes by, which finds the modules of a Go program built since
// 2022 and nothing else.
const maxHeld = 96 << 20

// Analyzer recognises executable files.
type Analyzer struct{}

var _ analyze.Streamer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "binary" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Streams implements analyze.Streamer.
func (Analyzer) Streams() bool { return true }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return f.Mode.Perm()&0o111 != 0 || path.Ext(f.Path) == ".exe"
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct {
	sets  []inventory.SourceSet
	total int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	magic, body, err := spool.Peek(body, 4)
	if err != nil || !executable(magic) {
		return err
	}
	if f.Size > maxHeld {
		packages, err := searchGo(body)
		return errors.Join(err, r.add(f, inventory.Go, packages))
	}
	held, err := spool.Hold(body, f.Size, maxHeld, "executable_bytes")
	if err != nil {
		return err
	}
	packages, err := goPackages(held)
	err = errors.Join(err, r.add(f, inventory.Go, packages))
	if len(packages) == 0 {
		crates, problem := crates(held)
		err = errors.Join(err, problem, r.add(f, inventory.Rust, crates))
	}
	return errors.Join(err, held.Close())
}

func (r *run) add(f analyze.File, e inventory.Ecosystem, packages []inventory.Package) error {
	if len(packages) == 0 {
		return nil
	}
	r.total += len(packages)
	if err := limit.Check("executable_packages", analyze.MaxPackages, int64(r.total)); err != nil {
		return err
	}
	set := inventory.PackageSet{Ecosystem: e, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return nil
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// executable tells ELF, PE and Mach-O (of either word size, byte order, and of
// several architectures) by their first bytes.
func executable(magic []byte) bool {
	for _, known := range []string{
		"\x7fELF", "MZ", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe",
	} {
		if bytes.HasPrefix(magic, []byte(known)) {
			return true
		}
	}
	return false
}
