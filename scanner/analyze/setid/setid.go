// Package setid sees files that run as their owner or group whoever starts them.
package setid

import (
	"io"
	"io/fs"
	"path"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

// maxSightings bounds what one layer reports.
const maxSightings = 10_000

// Analyzer recognises regular, executable files with a set-id bit. It also notes
// programs without one in the folders where programs lie: such a file may take
// the bit away from one in a layer below.
type Analyzer struct{}

var (
	_ analyze.Analyzer = Analyzer{}
	_ analyze.Glancer  = Analyzer{}
)

// Seeks implements analyze.Seeker.
func (Analyzer) Seeks() inventory.SightingKind { return inventory.SetIDSighting }

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "setid" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Glances implements analyze.Glancer: the mode is all that is looked at.
func (Analyzer) Glances() bool { return true }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	return f.Mode&(fs.ModeSetuid|fs.ModeSetgid) != 0 || f.Mode&0o111 != 0 && programFolder(f.Path)
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

func programFolder(name string) bool {
	switch path.Base(path.Dir(name)) {
	case "bin", "sbin", "libexec", "openssh", "dbus-1.0":
		return true
	}
	return false
}

type run struct{ sightings []inventory.Sighting }

func (r *run) Read(f analyze.File, _ io.Reader) error {
	if len(r.sightings) >= maxSightings {
		return nil
	}
	s := inventory.Sighting{Kind: inventory.PlainSighting, Path: f.Path}
	switch {
	case f.Mode&fs.ModeSetuid != 0:
		s.Kind, s.Rule, s.Title = inventory.SetIDSighting, "setuid", "runs as its owner"
	case f.Mode&fs.ModeSetgid != 0:
		s.Kind, s.Rule, s.Title = inventory.SetIDSighting, "setgid", "runs as its group"
	}
	if s.Kind == inventory.SetIDSighting {
		s.Evidence = f.Mode.String()
	}
	r.sightings = append(r.sightings, s)
	return nil
}

func (r *run) Result() analyze.Result { return analyze.Result{Sightings: r.sightings} }
