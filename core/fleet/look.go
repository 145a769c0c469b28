package fleet

import (
	"context"
	"slices"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/baseimage"
	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/secrets"
)

// look adds what an inventory tells beside packages: what could not be read,
// credentials, set-id files, checks of how the image is built, and its base.
func (s *Service) look(ctx context.Context, report *model.ImageReport, inv inventory.Inventory) error {
	for _, p := range inv.Problems {
		report.Problems = append(report.Problems, model.Problem{Path: p.Path, Analyzer: p.Analyzer, Reason: p.Reason})
	}
	for _, seen := range inv.Sightings {
		switch seen.Kind {
		case inventory.SecretSighting:
			report.Secrets = append(report.Secrets, sightingOf(seen, inv))
		case inventory.SetIDSighting:
			report.SetIDs = append(report.SetIDs, sightingOf(seen, inv))
		}
	}
	if slices.Contains(inv.Sought, inventory.SecretSighting) {
		for _, seen := range compliance.Configured(inv.Image, secrets.New()) {
			report.Secrets = append(report.Secrets, sightingOf(inventory.PlacedSighting{Sighting: seen, Layer: -1}, inv))
		}
	}
	for _, c := range compliance.Run(inv, compliance.Level2) {
		report.Checks = append(report.Checks, model.Check{
			ID: c.ID, Profile: string(c.Profile), Level: string(c.Level), Description: c.Description, Remediation: c.Remediation, Messages: c.Messages,
		})
	}
	return s.base(ctx, report, inv)
}

func sightingOf(seen inventory.PlacedSighting, inv inventory.Inventory) model.Sighting {
	out := model.Sighting{
		Path: seen.Path, Line: seen.Line, Rule: seen.Rule, Title: seen.Title, Evidence: seen.Evidence, Deleted: seen.Deleted,
	}
	if seen.Layer >= 0 && seen.Layer < len(inv.Image.Layers) {
		out.Layer = model.Digest(inv.Image.Layers[seen.Layer].DiffID)
	}
	return out
}

// base finds the image that this one was built on, among those that are known
// here first, and tells whose findings are whose.
func (s *Service) base(ctx context.Context, report *model.ImageReport, inv inventory.Inventory) error {
	below, err := s.rows.ImagesBelow(ctx, report.Image)
	if err != nil {
		return err
	}
	known := make([]inventory.Image, 0, len(below))
	for _, b := range below {
		img := inventory.Image{Digest: string(b.Digest)}
		if len(b.Tags) > 0 {
			img.Reference = b.Tags[0].Name()
		}
		for _, l := range b.Layers {
			img.Layers = append(img.Layers, inventory.Layer{DiffID: string(l.DiffID)})
		}
		known = append(known, img)
	}
	found := baseimage.Detect(inv.Image, known)
	if found == nil {
		return nil
	}
	report.Base = &model.BaseImage{Name: found.Name, Digest: model.Digest(found.Digest), Evidence: string(found.Evidence), Layers: found.Layers}
	inBase := map[model.Digest]bool{}
	for i, l := range inv.Image.Layers {
		inBase[model.Digest(l.DiffID)] = found.Has(i)
	}
	for i := range report.Findings {
		report.Findings[i].InBase = inBase[report.Findings[i].Layer]
	}
	return nil
}
