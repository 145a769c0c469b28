package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/muster-sec/muster/scanner/baseimage"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/purl"
	"github.com/muster-sec/muster/scanner/vex"
)

// NewImage puts together what a scan found out about one image. The sets are
// those that the inventory refers to.
func NewImage(inv inventory.Inventory, sets match.Sets, findings []match.Finding, gaps []match.Gap) Image {
	i := Image{Image: inv.Image, OS: inv.OS, Gaps: gaps, Problems: inv.Problems}
	at := make(map[place]int, len(findings)) // -1 until the package is seen
	for _, f := range findings {
		at[place{f.Ecosystem, f.Package, f.Installed, f.Path}] = -1
	}
	for _, source := range inv.Sources {
		set, _ := sets(source.Set)
		i.Packages += len(set.Packages)
	}
	i.Contents = make([]Package, 0, i.Packages)
	for _, source := range inv.Sources {
		set, _ := sets(source.Set)
		for n, p := range set.Packages {
			pkg := Package{
				Package: p, Ecosystem: set.Ecosystem, PURL: purl.Of(p, set.Ecosystem, inv.OS),
				Source: cmp.Or(p.Path, source.Path), LayerIndex: source.Origin(n),
			}
			key := place{pkg.Ecosystem, pkg.Name, pkg.Version, pkg.Source}
			if first, wanted := at[key]; wanted && first < 0 {
				at[key] = len(i.Contents)
			}
			i.Contents = append(i.Contents, pkg)
		}
	}
	for _, f := range findings {
		finding := Finding{Finding: f, LayerIndex: -1, contents: -1}
		if n := at[place{f.Ecosystem, f.Package, f.Installed, f.Path}]; n >= 0 {
			finding.contents, finding.PURL, finding.LayerIndex = n, i.Contents[n].PURL, i.Contents[n].LayerIndex
		}
		i.Findings = append(i.Findings, finding)
	}
	for _, s := range inv.Sightings {
		i.see(s)
	}
	i.SetBase(baseimage.Detect(inv.Image, nil))
	return i
}

// place is where a finding and a package meet.
type place struct {
	ecosystem           inventory.Ecosystem
	name, version, path string
}

func (i *Image) see(s inventory.PlacedSighting) {
	switch s.Kind {
	case inventory.SecretSighting:
		i.Secrets = append(i.Secrets, Sighting{PlacedSighting: s})
	case inventory.SetIDSighting:
		i.SetIDs = append(i.SetIDs, Sighting{PlacedSighting: s})
	case inventory.SBOMSighting:
		if !s.Deleted {
			i.SBOMs = append(i.SBOMs, SBOM{Location: s.Path, Format: s.Rule})
		}
	}
}

// AddConfigured adds what was seen in the image's configuration and in no layer.
func (i *Image) AddConfigured(list []inventory.Sighting) {
	for _, s := range list {
		i.Secrets = append(i.Secrets, Sighting{PlacedSighting: inventory.PlacedSighting{Sighting: s, Layer: -1}})
	}
}

// SetBase sets the base image and with it which findings belong to it.
func (i *Image) SetBase(base *baseimage.Base) {
	i.Base = base
	for n := range i.Findings {
		i.Findings[n].InBase = base.Has(i.Findings[n].LayerIndex)
	}
}

// Judge marks what the statements speak of at a time.
func (i *Image) Judge(set *vex.Set, now time.Time) {
	about := vex.Subject{Image: purl.OfImage(i.Image), Digests: []string{i.Image.Digest, i.Image.ImageID}}
	mark := func(kind vex.Kind, id, pkg, path string) *vex.Mark {
		s := about
		s.Kind, s.ID, s.Package, s.Path = kind, id, pkg, path
		if m, ok := set.Judge(s, now); ok {
			return &m
		}
		return nil
	}
	for n := range i.Findings {
		f := &i.Findings[n]
		f.Mark = mark(vex.Vulnerability, f.ID, f.PURL, f.Path)
	}
	for n := range i.Secrets {
		i.Secrets[n].Mark = mark(vex.Secret, i.Secrets[n].Rule, "", i.Secrets[n].Path)
	}
	for n := range i.Checks {
		i.Checks[n].Mark = mark(vex.Check, i.Checks[n].ID, "", "")
	}
}

// Filter says which findings to leave out.
type Filter struct {
	// Severities are the ones to keep; none means all.
	Severities []match.Severity
	// Unfixed leaves out what no version repairs, Settled what is settled.
	Unfixed, Settled bool
}

// Apply leaves findings out and counts them.
func (i *Image) Apply(f Filter) {
	before := len(i.Findings)
	i.Findings = slices.DeleteFunc(i.Findings, func(x Finding) bool {
		return len(f.Severities) > 0 && !slices.Contains(f.Severities, x.Severity) ||
			f.Unfixed && x.Fixed == "" || f.Settled && x.Settled()
	})
	i.Filtered += before - len(i.Findings)
	if f.Settled {
		settled := func(s Sighting) bool { return s.Mark != nil && s.Mark.Status.Settles() }
		i.Secrets = slices.DeleteFunc(i.Secrets, settled)
		i.Checks = slices.DeleteFunc(i.Checks, func(c Check) bool { return c.Mark != nil && c.Mark.Status.Settles() })
	}
}
