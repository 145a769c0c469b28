package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/fleet"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
	"github.com/muster-sec/muster/scanner/inventory"
)

// rows are images in memory.
type rows struct {
	images      []model.ImageSummary // by digest
	lists       map[string]model.FindingList
	inventories map[model.Digest][]byte
	sets        map[string][]byte
}

func (r rows) ImagesAfter(_ context.Context, q model.ImageQuery) ([]model.ImageSummary, error) {
	var page []model.ImageSummary
	for _, im := range r.images {
		if im.Digest > q.After && len(page) < q.Limit {
			page = append(page, im)
		}
	}
	return page, nil
}

func (r rows) ImageSummary(_ context.Context, d model.Digest) (model.ImageSummary, error) {
	i := slices.IndexFunc(r.images, func(im model.ImageSummary) bool { return im.Digest == d })
	if i < 0 {
		return model.ImageSummary{}, fault.New(fault.NotFound, "not known")
	}
	return r.images[i], nil
}

func (r rows) Verdicts(_ context.Context, d model.Digest) ([]policy.KnownVerdict, error) {
	var known []policy.KnownVerdict
	for _, im := range r.images {
		for _, v := range im.Verdicts {
			if im.Digest == d {
				known = append(known, policy.KnownVerdict{Verdict: v})
			}
		}
	}
	return known, nil
}

func (r rows) ImagesBelow(_ context.Context, of model.Image) ([]model.ImageSummary, error) {
	var below []model.ImageSummary
	for _, im := range r.images {
		if len(im.Layers) > 0 && len(im.Layers) < len(of.Layers) && im.Layers[0].DiffID == of.Layers[0].DiffID {
			below = append(below, im)
		}
	}
	return below, nil
}

func (r rows) FindingList(_ context.Context, hash string) (model.FindingList, error) {
	return found(r.lists, hash)
}
func (r rows) Inventory(_ context.Context, d model.Digest) ([]byte, error) {
	return found(r.inventories, d)
}
func (r rows) PackageSet(_ context.Context, hash string) ([]byte, error) { return found(r.sets, hash) }

func found[K comparable, V any](m map[K]V, key K) (V, error) {
	v, ok := m[key]
	if !ok {
		return v, fault.New(fault.NotFound, "%v is not here", key)
	}
	return v, nil
}

func service(t *testing.T, r rows) *fleet.Service {
	t.Helper()
	s, err := fleet.New(r, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func digest(n int) model.Digest { return model.Digest(fmt.Sprintf("sha256:%064d", n)) }

func TestPagesAreWholeAndEnd(t *testing.T) {
	t.Parallel()
	var r rows
	for n := range 25 {
		r.images = append(r.images, model.ImageSummary{Image: model.Image{Digest: digest(n)}})
	}
	for _, limit := range []int{1, 5, 7, 25, 100} {
		var got []model.Digest
		cursor, pages := "", 0
		for {
			images, next, err := service(t, r).Images(t.Context(), fleet.Query{Limit: limit, Cursor: cursor})
			if err != nil || len(images) > limit {
				t.Fatalf("%d images, error %v", len(images), err)
			}
			for _, im := range images {
				got = append(got, im.Digest)
			}
			pages++
			if cursor = next; cursor == "" {
				break
			}
		}
		if len(got) != 25 || !slices.IsSorted(got) || pages != (24+limit)/limit {
			t.Errorf("limit %d: %d images in %d pages", limit, len(got), pages)
		}
	}
}

func TestQueriesThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		query fleet.Query
		want  fault.Kind
	}{
		"cursor":   {fleet.Query{Cursor: "xyz"}, fault.Invalid},
		"limit":    {fleet.Query{Limit: 1001}, fault.Invalid},
		"negative": {fleet.Query{Limit: -1}, fault.Invalid},
		"status":   {fleet.Query{Status: "sleeping"}, fault.Invalid},
		"severity": {fleet.Query{Severity: "terrible"}, fault.Invalid},
		"text":     {fleet.Query{Text: strings.Repeat("x", 201)}, fault.TooLarge},
	} {
		if _, _, err := service(t, rows{}).Images(t.Context(), test.query); fault.KindOf(err) != test.want {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if _, _, err := service(t, rows{}).Images(t.Context(), fleet.Query{Severity: "HIGH"}); err != nil {
		t.Errorf("severities are words in any case: %v", err)
	}
}

func TestAReportMergesItsSources(t *testing.T) {
	t.Parallel()
	one := model.Finding{ID: "CVE-1", Package: "musl", Installed: "1", Severity: model.High, Path: "a"}
	elsewhere := one
	elsewhere.Path = "b"
	two := model.Finding{ID: "CVE-2", Package: "musl", Installed: "1", Severity: model.Low}
	scan := model.NewFindingList([]model.Finding{one, elsewhere})
	ci := model.NewFindingList([]model.Finding{one, two})
	set := inventory.PackageSet{Ecosystem: inventory.Apk, Packages: []inventory.Package{{Name: "musl", Version: "1"}}}
	set.Canonical()
	body, err := json.Marshal(inventory.Inventory{
		Image:   inventory.Image{Layers: []inventory.Layer{{DiffID: "base"}, {DiffID: "app"}}},
		OS:      inventory.OS{Family: "alpine"},
		Sources: []inventory.Source{{Set: set.ID(), Path: "lib/apk/db/installed", Layer: 1, Origins: []int{0}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := rows{
		images: []model.ImageSummary{{Image: model.Image{Digest: digest(1)}, Verdicts: []model.Verdict{
			{Source: model.SourceScan, Findings: scan.Hash},
			{Source: model.SourceCI, Producer: "trivy", Findings: ci.Hash},
			{Source: model.SourceCI, Producer: "late", Findings: "not here yet"},
		}}},
		lists:       map[string]model.FindingList{scan.Hash: scan, ci.Hash: ci},
		inventories: map[model.Digest][]byte{digest(1): body},
		sets:        map[string][]byte{string(set.ID()): set.Encode()},
	}
	report, err := service(t, r).Image(t.Context(), digest(1))
	if err != nil {
		t.Fatal(err)
	}
	want := []model.ReportedFinding{
		{Finding: one, Source: model.SourceScan}, {Finding: elsewhere, Source: model.SourceScan},
		{Finding: two, Source: model.SourceCI, Producer: "trivy"},
	}
	if diff := cmp.Diff(want, report.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	packages := []model.Package{{Name: "musl", Version: "1", Type: "alpine", Path: "lib/apk/db/installed", Layer: "base"}}
	if diff := cmp.Diff(packages, report.Packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}

	r.sets = nil // the set has not arrived: half a list would mislead
	if report, err = service(t, r).Image(t.Context(), digest(1)); err != nil || len(report.Packages) != 0 || len(report.Findings) != 3 {
		t.Errorf("%d packages, %d findings, error %v", len(report.Packages), len(report.Findings), err)
	}
}

func TestNothingKnownIsNotReady(t *testing.T) {
	t.Parallel()
	if _, err := service(t, rows{}).Verdicts(t.Context(), digest(1)); fault.KindOf(err) != fault.NotReady || fault.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
	if _, err := service(t, rows{}).Image(t.Context(), digest(1)); fault.KindOf(err) != fault.NotFound {
		t.Errorf("error %v", err)
	}
}
