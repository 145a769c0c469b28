// Package fleet answers questions about images: which there are, what is wrong
// with them, and who said so. It only reads. What this cluster found out itself
// and what the primary sent are shown as one: an image that both know appears
// once, with its own results first.
package fleet

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
	"github.com/muster-sec/muster/scanner/inventory"
)

// Rows are what questions are answered from. core/store is one.
type Rows interface {
	// ImagesAfter are images by digest, beginning after a digest.
	ImagesAfter(ctx context.Context, q model.ImageQuery) ([]model.ImageSummary, error)
	// ImageSummary is one image, fault.NotFound when it is not known.
	ImageSummary(ctx context.Context, digest model.Digest) (model.ImageSummary, error)
	// Verdicts are all results for one digest and, when it is an index, for its
	// children: own scans first, then CI results, newest first.
	Verdicts(ctx context.Context, digest model.Digest) ([]policy.KnownVerdict, error)
	// FindingList is a finding list, fault.NotFound until it has arrived.
	FindingList(ctx context.Context, hash string) (model.FindingList, error)
	// ImagesBelow are the other images whose layers an image begins with, with a
	// name each where there is one.
	ImagesBelow(ctx context.Context, img model.Image) ([]model.ImageSummary, error)
}

// Inventories are what was found in images. core/store is one.
type Inventories interface {
	// Inventory fails with fault.NotFound where it has not arrived.
	Inventory(ctx context.Context, digest model.Digest) ([]byte, error)
	PackageSet(ctx context.Context, hash string) ([]byte, error)
}

// Service answers questions. It is safe for concurrent use.
type Service struct {
	rows        Rows
	inventories Inventories
}

// New makes a service.
func New(rows Rows, inventories Inventories) (*Service, error) {
	if rows == nil || inventories == nil {
		return nil, errors.New("fleet: a dependency is missing")
	}
	return &Service{rows, inventories}, nil
}

// Query selects images. Zero fields select everything.
type Query struct {
	Registry string
	Status   model.ImageStatus
	// Severity selects images with a finding at least as bad.
	Severity model.Severity
	// Text is looked for in names and digests, in any case.
	Text string
	// Cursor is what the page before said comes next.
	Cursor string
	Limit  int // 100 when zero, at most 1000
}

// The bounds of a page.
const (
	defaultLimit = 100
	maxLimit     = 1000
	maxText      = 200
)

// Images are the images that a query selects, by digest, and the cursor of the
// next page: empty at the end. It fails with fault.Invalid for a query that
// cannot be understood.
func (s *Service) Images(ctx context.Context, q Query) (images []model.ImageSummary, next string, err error) {
	rows, err := rowsQuery(q)
	if err != nil {
		return nil, "", err
	}
	limit := rows.Limit
	rows.Limit++ // one more tells whether there is another page
	images, err = s.rows.ImagesAfter(ctx, rows)
	if err != nil {
		return nil, "", err
	}
	if len(images) > limit {
		images = images[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(images[limit-1].Digest))
	}
	return images, next, nil
}

func rowsQuery(q Query) (model.ImageQuery, error) {
	out := model.ImageQuery{Registry: q.Registry, Status: q.Status, Text: strings.TrimSpace(q.Text), Limit: q.Limit}
	if q.Cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err == nil {
			out.After, err = model.ParseDigest(string(after))
		}
		if err != nil {
			return out, fault.New(fault.Invalid, "the cursor is none of ours").WithHint("begin without a cursor and follow \"next\"")
		}
	}
	switch {
	case q.Limit < 0 || q.Limit > maxLimit:
		return out, fault.New(fault.Invalid, "limit is %d, allowed are 1 to %d", q.Limit, maxLimit)
	case q.Limit == 0:
		out.Limit = defaultLimit
	}
	if len(out.Text) > maxText {
		return out, fault.New(fault.TooLarge, "the text to look for has %d bytes, at most %d are allowed", len(out.Text), maxText)
	}
	switch q.Status {
	case "", model.ImageScheduled, model.ImageScanning, model.ImageFinished, model.ImageFailed, model.ImageUnsupported:
	default:
		return out, fault.New(fault.Invalid, "%.40q is no status of an image", q.Status).
			WithHint("the states are scheduled, scanning, finished, failed and unsupported")
	}
	if q.Severity != "" {
		sev := model.ParseSeverity(string(q.Severity))
		if sev == model.Unknown && !strings.EqualFold(string(q.Severity), string(model.Unknown)) {
			return out, fault.New(fault.Invalid, "%.40q is no severity", q.Severity).WithHint("the severities are critical, high, medium, low and unknown")
		}
		out.Severity = sev
	}
	return out, nil
}

// Image is everything known about one image. Findings are those of our own scan
// and then what CI results add; packages are missing where the inventory has not
// arrived. It fails with fault.NotFound.
func (s *Service) Image(ctx context.Context, digest model.Digest) (model.ImageReport, error) {
	summary, err := s.rows.ImageSummary(ctx, digest)
	if err != nil {
		return model.ImageReport{}, err
	}
	report := model.ImageReport{ImageSummary: summary, Findings: []model.ReportedFinding{}}
	reported := map[[3]string]bool{}
	for _, v := range summary.Verdicts {
		if err := s.addFindings(ctx, &report, v, reported); err != nil {
			return model.ImageReport{}, err
		}
	}
	inv, known, err := s.inventory(ctx, digest)
	if err != nil || !known {
		return report, err
	}
	if report.Packages, err = s.packages(ctx, inv); err != nil {
		return report, err
	}
	return report, s.look(ctx, &report, inv)
}

// addFindings adds what a verdict found and better sources have not reported.
func (s *Service) addFindings(ctx context.Context, report *model.ImageReport, v model.Verdict, reported map[[3]string]bool) error {
	list, err := s.rows.FindingList(ctx, v.Findings)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil // the list travels after the verdict
		}
		return err
	}
	report.Gaps = append(report.Gaps, list.Gaps...)
	seen := map[[3]string]bool{}
	for _, f := range list.Findings {
		id := [3]string{f.ID, f.Package, f.Installed}
		if reported[id] {
			continue
		}
		seen[id] = true
		report.Findings = append(report.Findings, model.ReportedFinding{Finding: f, Source: v.Source, Producer: v.Producer})
	}
	for id := range seen {
		reported[id] = true
	}
	return nil
}

// inventory is what was found in an image; false where it has not arrived.
func (s *Service) inventory(ctx context.Context, digest model.Digest) (inv inventory.Inventory, known bool, err error) {
	body, err := s.inventories.Inventory(ctx, digest)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return inv, false, nil
		}
		return inv, false, err
	}
	if err := json.Unmarshal(body, &inv); err != nil {
		return inv, false, fault.New(fault.Internal, "fleet: decode the inventory of %s: %w", digest, err)
	}
	return inv, true, nil
}

// packages lists what is installed, nothing where a package set has not arrived.
func (s *Service) packages(ctx context.Context, inv inventory.Inventory) ([]model.Package, error) {
	var packages []model.Package
	for _, source := range inv.Sources {
		body, err := s.inventories.PackageSet(ctx, string(source.Set))
		if fault.KindOf(err) == fault.NotFound && err != nil {
			return nil, nil // sets may arrive after the inventory; half a list would mislead
		}
		if err != nil {
			return nil, err
		}
		set, err := inventory.DecodeSet(source.Set, body)
		if err != nil {
			return nil, fault.New(fault.Internal, "fleet: decode package set %s: %w", source.Set, err)
		}
		for i, p := range set.Packages {
			packages = append(packages, packageOf(p, set.Ecosystem, inv, source, i))
		}
	}
	return packages, nil
}

func packageOf(p inventory.Package, e inventory.Ecosystem, inv inventory.Inventory, source inventory.Source, i int) model.Package {
	out := model.Package{
		Name: p.Name, Version: p.Version, Type: string(e), SourceName: p.SourceName, SourceVersion: p.SourceVersion,
		Arch: p.Arch, Path: p.Path,
	}
	if e.IsOS() && inv.OS.Family != "" {
		out.Type = inv.OS.Family
	}
	if out.Path == "" {
		out.Path = source.Path
	}
	if origin := source.Origin(i); origin >= 0 && origin < len(inv.Image.Layers) {
		out.Layer = model.Digest(inv.Image.Layers[origin].DiffID)
	}
	return out
}

// Verdicts are all results for a digest and, when it names a multi-platform
// image, for its children: own scans before CI results. It fails with
// fault.NotReady when nothing is known yet.
func (s *Service) Verdicts(ctx context.Context, digest model.Digest) ([]policy.KnownVerdict, error) {
	verdicts, err := s.rows.Verdicts(ctx, digest)
	if err != nil {
		return nil, err
	}
	if len(verdicts) == 0 {
		return nil, fault.New(fault.NotReady, "nothing is known of %s yet", digest).
			WithHint("scan the registry that has it, or submit the result of a pipeline that names the digest")
	}
	return verdicts, nil
}
