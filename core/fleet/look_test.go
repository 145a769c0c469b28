package fleet_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/inventory"
)

func TestAReportTellsMoreThanVulnerabilities(t *testing.T) {
	t.Parallel()
	token := "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6" + "yZ8xC0bF5nR3" // made here: the test holds no credential
	layers := []inventory.Layer{{DiffID: "base"}, {DiffID: "app"}}
	inv := inventory.Inventory{
		Image:  inventory.Image{Layers: layers, Env: []string{"TOKEN=" + token}, Healthcheck: true},
		Sought: []inventory.SightingKind{inventory.SecretSighting, inventory.SetIDSighting},
		Sightings: []inventory.PlacedSighting{
			{Sighting: inventory.Sighting{Kind: inventory.SecretSighting, Path: "srv/.env", Rule: "github-pat", Title: "GitHub token", Line: 3, Evidence: "ghp_****"}, Deleted: true},
			{Sighting: inventory.Sighting{Kind: inventory.SetIDSighting, Path: "bin/su", Rule: "setuid", Evidence: "urwxr-xr-x"}, Layer: 1},
			{Sighting: inventory.Sighting{Kind: inventory.SBOMSighting, Path: "sbom.json"}},
		},
		Problems: []inventory.Problem{{Path: "a.jar", Analyzer: "jar", Reason: "too large"}},
	}
	body, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	list := model.NewFindingList([]model.Finding{{ID: "CVE-1", Layer: "base"}, {ID: "CVE-2", Layer: "app"}},
		model.Gap{Stream: "fedora 40", Packages: 7, Reason: "which no advisories are known for"})
	r := rows{
		images: []model.ImageSummary{
			{
				Image:    model.Image{Digest: digest(1), Layers: []model.Layer{{DiffID: "base"}, {DiffID: "app"}}},
				Verdicts: []model.Verdict{{Source: model.SourceScan, Findings: list.Hash}},
			},
			{
				Image: model.Image{Digest: digest(2), Layers: []model.Layer{{DiffID: "base"}}},
				Tags:  []model.Tag{{Host: "reg.example", Repository: "base", Tag: "1"}},
			},
		},
		lists: map[string]model.FindingList{list.Hash: list}, inventories: map[model.Digest][]byte{digest(1): body},
	}
	report, err := service(t, r).Image(t.Context(), digest(1))
	if err != nil {
		t.Fatal(err)
	}
	want := model.ImageReport{
		ImageSummary: r.images[0],
		Findings: []model.ReportedFinding{
			{Finding: list.Findings[0], Source: model.SourceScan, InBase: true}, {Finding: list.Findings[1], Source: model.SourceScan},
		},
		Gaps:     list.Gaps,
		Problems: []model.Problem{{Path: "a.jar", Analyzer: "jar", Reason: "too large"}},
		Secrets: []model.Sighting{
			{Path: "srv/.env", Line: 3, Rule: "github-pat", Title: "GitHub token", Evidence: "ghp_****", Layer: "base", Deleted: true},
			{Path: "config:env:TOKEN", Rule: report.Secrets[len(report.Secrets)-1].Rule, Title: report.Secrets[len(report.Secrets)-1].Title,
				Evidence: report.Secrets[len(report.Secrets)-1].Evidence},
		},
		SetIDs: []model.Sighting{{Path: "bin/su", Rule: "setuid", Evidence: "urwxr-xr-x", Layer: "app"}},
		Checks: report.Checks,
		Base:   &model.BaseImage{Name: "reg.example/base:1", Digest: digest(2), Evidence: "layers", Layers: 1},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	levels := map[string]string{}
	for _, c := range report.Checks {
		levels[c.ID] = c.Level
	}
	wantLevels := map[string]string{"I.4.1": "WARN", "I.4.6": "PASS", "I.4.8": "WARN", "I.4.9": "PASS", "I.4.10": "WARN"}
	if diff := cmp.Diff(wantLevels, levels); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	shown, err := json.Marshal(report)
	if err != nil || len(shown) == 0 {
		t.Fatal(err)
	}
	for _, s := range report.Secrets {
		if s.Evidence == token {
			t.Error("a secret is shown")
		}
	}
}
