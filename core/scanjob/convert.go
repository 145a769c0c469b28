package scanjob

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/eol"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/secrets"
)

// resultOf converts what a scanner found into what is stored.
func resultOf(job model.Job, found Found) (model.ScanResult, error) {
	body, err := json.Marshal(found.Inventory)
	if err != nil {
		return model.ScanResult{}, fmt.Errorf("encode the inventory of %s: %w", job.Digest, err)
	}
	sets := make(map[string][]byte, len(found.Sets))
	for id, set := range found.Sets {
		sets[string(id)] = set.Encode()
	}
	return model.ScanResult{Job: job, Image: imageOf(found.Inventory), Inventory: body, Sets: sets}, nil
}

func imageOf(inv inventory.Inventory) model.Image {
	src := inv.Image
	img := model.Image{
		Digest: model.Digest(src.Digest), ImageID: model.Digest(src.ImageID), Platform: platformOf(src.Platform), Size: src.Size,
		Author: src.Author, User: src.User, Env: src.Env, Labels: src.Labels, OS: osOf(inv.OS), Status: model.ImageFinished,
	}
	if src.Created != nil {
		img.Created = src.Created.UTC()
	}
	for _, h := range src.History {
		img.History = append(img.History, h.CreatedBy)
	}
	for _, l := range src.Layers {
		img.Layers = append(img.Layers, model.Layer{Digest: model.Digest(l.Digest), DiffID: model.Digest(l.DiffID), Size: l.Size, Command: l.CreatedBy})
	}
	return img
}

func platformOf(text string) model.Platform {
	parts := strings.SplitN(text, "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return model.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

func osOf(os inventory.OS) model.OS { return model.OS{Family: os.Family, Version: os.Version} }

// matchImage computes the findings of an image. The verdict's ScannedAt is the
// caller's to set.
func matchImage(m Matcher, inv inventory.Inventory, sets match.Sets) (model.Rematched, error) {
	matched, err := m.Image(inv, sets)
	if err != nil {
		return model.Rematched{}, fmt.Errorf("match %s: %w", inv.Image.Digest, err)
	}
	unjudged, err := m.Gaps(inv, sets)
	if err != nil {
		return model.Rematched{}, fmt.Errorf("match %s: %w", inv.Image.Digest, err)
	}
	findings := make([]model.Finding, len(matched))
	for i, f := range matched {
		findings[i] = findingOf(f, inv.OS)
	}
	v := verdictOf(inv)
	var gaps []model.Gap
	for _, g := range unjudged {
		gaps = append(gaps, model.Gap{Stream: g.Stream, Packages: g.Packages, Reason: g.Reason})
		v.Incomplete = v.Incomplete || g.Distribution
	}
	list := model.NewFindingList(findings, gaps...)
	v.Counts, v.DB, v.Findings = model.CountFindings(list.Findings), m.Version(), list.Hash
	return model.Rematched{Findings: list, Verdict: v}, nil
}

// verdictOf is what an inventory says without a database.
func verdictOf(inv inventory.Inventory) model.Verdict {
	v := model.Verdict{
		Digest: model.Digest(inv.Image.Digest), ImageID: model.Digest(inv.Image.ImageID), Source: model.SourceScan,
		RunAsRoot: model.Image{User: inv.Image.User}.RunsAsRoot(), OS: osOf(inv.OS),
	}
	if end, known := eol.Of(inv.OS); known {
		v.EndOfLife = end.Format(time.DateOnly)
	}
	if v.SetIDsSought = slices.Contains(inv.Sought, inventory.SetIDSighting); v.SetIDsSought {
		v.SetIDs = count(inv.Sightings, inventory.SetIDSighting)
	}
	if v.SecretsSought = slices.Contains(inv.Sought, inventory.SecretSighting); v.SecretsSought {
		v.Secrets = count(inv.Sightings, inventory.SecretSighting) + len(compliance.Configured(inv.Image, secrets.New()))
	}
	return v
}

// count counts sightings. Secrets that an upper layer deletes count: whoever has
// the image has them. Squashing keeps no deleted set-id files.
func count(sightings []inventory.PlacedSighting, kind inventory.SightingKind) int {
	n := 0
	for _, s := range sightings {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

func findingOf(f match.Finding, os inventory.OS) model.Finding {
	out := model.Finding{
		ID: f.ID, Package: f.Package, Installed: f.Installed, Fixed: f.Fixed, Type: typeOf(f.Ecosystem, os), Path: f.Path,
		Layer: model.Digest(f.Layer), Severity: model.ParseSeverity(f.Severity.String()), Status: f.Status,
	}
	if f.Summary != nil {
		out.Title, out.Score, out.URL = f.Title, f.Score, f.URL
		if f.Published != nil {
			out.Published = f.Published.UTC()
		}
	}
	return out
}

// typeOf is the distribution for its own packages, else the ecosystem.
func typeOf(e inventory.Ecosystem, os inventory.OS) string {
	if e.IsOS() && os.Family != "" {
		return os.Family
	}
	return string(e)
}

// lookup finds a package set of the image; it is a match.Sets.
func (f Found) lookup(id inventory.SetID) (inventory.PackageSet, bool) {
	set, ok := f.Sets[id]
	return set, ok
}

// answersOf looks up every distinct package version of an image. Without a
// matcher all answers are empty, as that of a key without findings is.
func answersOf(found Found, m Matcher) (map[string]string, error) {
	answers := map[string]string{}
	for _, source := range found.Inventory.Sources {
		set := found.Sets[source.Set]
		for _, p := range set.Packages {
			key, ok := match.KeyOf(p, set.Ecosystem, found.Inventory.OS)
			if !ok {
				continue
			}
			name := key.String()
			if _, known := answers[name]; known {
				continue
			}
			answer, err := answerTo(m, key)
			if err != nil {
				return nil, err
			}
			answers[name] = answer
		}
	}
	return answers, nil
}

// uncovered is the answer of a database that has nothing about the stream. It is
// an answer of its own, so that images are computed anew when that changes.
const uncovered = "-"

// answerTo is what the database says about a key, in a form that changes with
// it: a hash of everything, then the vulnerabilities' ids. Empty for nothing.
func answerTo(m Matcher, key match.Key) (string, error) {
	if m == nil {
		return "", nil
	}
	found, err := m.Findings(key)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", key, err)
	}
	if len(found) == 0 {
		covered, err := m.Covers(key)
		if err != nil {
			return "", fmt.Errorf("look up %s: %w", key, err)
		}
		if !covered {
			return uncovered, nil
		}
		return "", nil
	}
	body, err := json.Marshal(found)
	if err != nil {
		return "", fmt.Errorf("encode the answer to %s: %w", key, err)
	}
	sum := sha256.Sum256(body)
	var text strings.Builder
	text.WriteString(hex.EncodeToString(sum[:16]))
	for _, v := range found {
		text.WriteByte(' ')
		text.WriteString(v.ID)
	}
	return text.String(), nil
}

// idsOf are the vulnerabilities that an answer names.
func idsOf(answer string) []string {
	_, ids, found := strings.Cut(answer, " ")
	if !found {
		return nil
	}
	return strings.Split(ids, " ")
}
