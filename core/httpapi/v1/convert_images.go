package v1

import (
	"slices"

	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// imageToAPI shows the verdict that counts: our own scan's, else the newest CI
// result's, which is how the service orders them.
func imageToAPI(s model.ImageSummary) api.Image {
	shown := api.Image{
		Digest: string(s.Digest), ImageID: string(s.ImageID), Names: []string{}, Origin: string(s.Origin),
		Platform: s.Platform.String(), OS: s.OS.String(), Size: s.Size,
		Status: string(s.Status), Reason: s.Reason, ScannedAt: s.ScannedAt,
	}
	for _, t := range s.Tags {
		shown.Names = append(shown.Names, t.Name())
		shown.Registry = append(shown.Registry, t.Registry)
	}
	for _, v := range s.Verdicts {
		shown.Sources = append(shown.Sources, string(v.Source))
	}
	for _, words := range []*[]string{&shown.Names, &shown.Registry, &shown.Sources} {
		slices.Sort(*words)
		*words = slices.Compact(*words)
	}
	if len(s.Verdicts) > 0 {
		shown.Counts, shown.DB = api.Counts(s.Verdicts[0].Counts), dbToAPI(s.Verdicts[0].DB)
		if shown.ScannedAt.IsZero() {
			shown.ScannedAt = s.Verdicts[0].ScannedAt
		}
	}
	return shown
}

func reportToAPI(r model.ImageReport, known []policy.KnownVerdict) api.ImageReport {
	shown := api.ImageReport{
		Image: imageToAPI(r.ImageSummary), Created: r.Created, Author: r.Author, User: r.User,
		Env: r.Env, Labels: r.Labels,
		Findings: make([]api.Finding, 0, len(r.Findings)), Verdicts: make([]api.Verdict, 0, len(known)),
	}
	for _, l := range r.Layers {
		shown.Layers = append(shown.Layers, api.Layer{Digest: string(l.Digest), DiffID: string(l.DiffID), Size: l.Size, Command: l.Command})
	}
	for _, f := range r.Findings {
		shown.Findings = append(shown.Findings, findingToAPI(f))
	}
	for _, p := range r.Packages {
		shown.Packages = append(shown.Packages, api.Package{Name: p.Name, Version: p.Version, Type: p.Type, Path: p.Path, Layer: string(p.Layer)})
	}
	shown.History = r.History
	for _, g := range r.Gaps {
		shown.Gaps = append(shown.Gaps, api.Gap(g))
	}
	for _, p := range r.Problems {
		shown.Problems = append(shown.Problems, api.FileProblem(p))
	}
	shown.Secrets, shown.SetIDs = sightingsToAPI(r.Secrets), sightingsToAPI(r.SetIDs)
	for _, c := range r.Checks {
		shown.Checks = append(shown.Checks, api.Check(c))
	}
	if b := r.Base; b != nil {
		shown.Base = &api.BaseImage{Name: b.Name, Digest: string(b.Digest), Evidence: b.Evidence, Layers: b.Layers}
	}
	for _, v := range known {
		shown.Verdicts = append(shown.Verdicts, verdictToAPI(v))
	}
	return shown
}

func findingToAPI(f model.ReportedFinding) api.Finding {
	return api.Finding{
		ID: f.ID, Severity: string(f.Severity), Package: f.Package, Installed: f.Installed, Fixed: f.Fixed,
		Status: f.Status, Type: f.Type, Path: f.Path, Layer: string(f.Layer), Score: f.Score, Title: f.Title, URL: f.URL,
		Published: f.Published, Source: string(f.Source), Producer: f.Producer, InBase: f.InBase,
	}
}

func sightingsToAPI(seen []model.Sighting) []api.Sighting {
	var shown []api.Sighting
	for _, s := range seen {
		shown = append(shown, api.Sighting{
			Path: s.Path, Line: s.Line, Rule: s.Rule, Title: s.Title, Evidence: s.Evidence, Layer: string(s.Layer), Deleted: s.Deleted,
		})
	}
	return shown
}

func verdictToAPI(v policy.KnownVerdict) api.Verdict {
	shown := api.Verdict{
		Digest: string(v.Digest), Source: string(v.Source), Producer: v.Producer, Origin: string(v.Origin),
		Counts: api.Counts(v.Counts), RunAsRoot: v.RunAsRoot, OS: v.OS.String(), DB: dbToAPI(v.DB),
		ScannedAt: v.ScannedAt, FindingsKnown: v.FindingsKnown, Incomplete: v.Incomplete, EndOfLife: v.EndOfLife,
	}
	if v.SecretsSought {
		shown.Secrets = &v.Secrets
	}
	if v.SetIDsSought {
		shown.SetIDs = &v.SetIDs
	}
	return shown
}

func dbToAPI(v model.DBVersion) api.DBVersion {
	return api.DBVersion{Revision: v.Revision, UpdatedAt: v.UpdatedAt}
}

// age says of each database whether it is too old.
func (a *API) age(versions ...*api.DBVersion) {
	for _, v := range versions {
		v.Stale = !v.UpdatedAt.IsZero() && a.Stale(v.UpdatedAt)
	}
}

func (a *API) ageVerdicts(verdicts []api.Verdict) {
	for i := range verdicts {
		a.age(&verdicts[i].DB)
	}
}
