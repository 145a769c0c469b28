package setid_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/setid"
	"github.com/muster-sec/muster/scanner/inventory"
)

func TestAnalyzer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path     string
		mode     fs.FileMode
		required bool
		want     inventory.Sighting
	}{
		{"usr/bin/su", 0o755 | fs.ModeSetuid, true, inventory.Sighting{Kind: inventory.SetIDSighting, Rule: "setuid", Title: "runs as its owner", Evidence: "urwxr-xr-x"}},
		{"opt/x", 0o755 | fs.ModeSetgid, true, inventory.Sighting{Kind: inventory.SetIDSighting, Rule: "setgid", Title: "runs as its group", Evidence: "grwxr-xr-x"}},
		{"sbin/both", 0o755 | fs.ModeSetgid | fs.ModeSetuid, true, inventory.Sighting{Kind: inventory.SetIDSighting, Rule: "setuid", Title: "runs as its owner", Evidence: "ugrwxr-xr-x"}},
		{"usr/bin/ls", 0o755, true, inventory.Sighting{Kind: inventory.PlainSighting}},
		{"usr/bin/readme", 0o644, false, inventory.Sighting{}},
		{"opt/x", 0o755, true, inventory.Sighting{Kind: inventory.PlainSighting}},
		{"tmp/x", 0o644 | fs.ModeSticky, false, inventory.Sighting{}},
	} {
		f := analyze.File{Path: c.path, Mode: c.mode, Size: 1 << 40}
		if got := (setid.Analyzer{}).Required(f); got != c.required {
			t.Errorf("%s %s is wanted: %v", c.path, c.mode, got)
		}
		if !c.required {
			continue
		}
		run := setid.Analyzer{}.Begin()
		if err := run.Read(f, strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
		c.want.Path = c.path
		if diff := cmp.Diff([]inventory.Sighting{c.want}, run.Result().Sightings); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	run := setid.Analyzer{}.Begin()
	for i := range 20_000 {
		if err := run.Read(analyze.File{Path: fmt.Sprint(i), Mode: fs.ModeSetuid}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(run.Result().Sightings); n != 10_000 {
		t.Errorf("%d are reported", n)
	}
	for i := range 30_000 {
		if err := run.Read(analyze.File{Path: fmt.Sprint("plain", i), Mode: 0o755}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(run.Result().Sightings); n != 15_000 {
		t.Errorf("%d are reported with plain programs", n)
	}
}
