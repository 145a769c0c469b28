package cmd

import (
	"bytes"
	"context"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/sbom"
)

const (
	// maxAttached and maxAttachedBytes bound the bills of materials that are
	// fetched for one image, and each of them.
	maxAttached      = 16
	maxAttachedBytes = 32 << 20
	// maxAttachedPackages bounds what all of them list together.
	maxAttachedPackages = 50_000
)

// attached returns the inventory with what bills of materials that refer to the
// image add to it, and those documents. What is out of reach or cannot be read is
// worth a word and no failure.
func (r *scanRun) attached(ctx context.Context, inv scanner.ImageInventory) (scanner.ImageInventory, []report.SBOM) {
	referrers, err := pull.Referrers(ctx, r.arg(0), inv.Image.Digest, r.pull)
	if err != nil {
		r.hint("warning: not all attached bills of materials are known: %v", err)
	}
	var found []report.SBOM
	left := maxAttachedPackages
	for _, a := range referrers {
		format := a.SBOMFormat()
		if format == "" {
			continue
		}
		found = append(found, report.SBOM{Location: a.Digest, Format: format, Attached: true})
		if len(found) > maxAttached {
			inv.Problems = append(inv.Problems, inventory.Problem{Path: a.Digest, Analyzer: "sbom", Reason: "more attached bills of materials than are read"})
			continue
		}
		doc, err := r.fetchSBOM(ctx, a, left)
		if err != nil {
			inv.Problems = append(inv.Problems, inventory.Problem{Path: a.Digest, Analyzer: "sbom", Reason: err.Error()})
			continue
		}
		left -= len(doc.Packages)
		inv = inv.Attach(a.Digest, doc)
	}
	return inv, found
}

func (r *scanRun) fetchSBOM(ctx context.Context, a pull.Referrer, packages int) (sbom.Document, error) {
	raw, err := pull.Attached(ctx, r.arg(0), a, maxAttachedBytes, r.pull)
	if err != nil {
		return sbom.Document{}, err
	}
	if raw, err = sbom.Unwrap(raw); err != nil {
		return sbom.Document{}, err
	}
	return sbom.Bounds{Bytes: maxAttachedBytes, Packages: packages, Mixed: true}.Read(bytes.NewReader(raw))
}
