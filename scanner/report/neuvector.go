package report

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/purl"
)

// NeuVector writes the document as NeuVector's scanner and its pipeline plugins
// write a result, of one image.
func NeuVector(w io.Writer, d Document) error {
	i, err := d.only()
	if err != nil {
		return err
	}
	r := nvReport{
		ImageID: i.Image.ImageID, Digest: i.Image.Digest, Size: i.Image.Size, Author: i.Image.Author,
		CreatedAt: dateOf(i.Image.Created), DBVersion: d.Database.Revision, OSStatus: "OSScanStatusUnsupported",
		Vulns: []nvVulnerability{}, Modules: []nvModule{}, Checks: []nvCheck{}, Secrets: []nvSecret{}, SetIDs: []nvSetID{},
		Env: append([]string{}, i.Image.Env...), Labels: i.Image.Labels, Cmds: []string{}, Layers: []nvLayer{},
		SignatureData: nvSignature{Verifiers: []string{}},
	}
	r.Registry, r.Repository, r.Tag = nvReference(i.Image.Reference)
	if i.OS.Family != "" {
		r.BaseOS = i.OS.Family + ":" + i.OS.Version
	}
	if i.advised() {
		r.OSStatus = "OSScanStatusSupported"
	}
	if !d.Database.UpdatedAt.IsZero() {
		r.DBCreated = d.Database.UpdatedAt.UTC().Format(time.RFC3339)
	}
	if err := r.findings(d, i); err != nil {
		return err
	}
	r.sightings(i)
	return encode(w, "neuvector", nvDocument{Report: r})
}

// nvReference cuts a reference as NeuVector names images: the registry's URL,
// the repository in it, the tag.
func nvReference(reference string) (registry, repository, tag string) {
	repository, tag = purl.Repository(reference)
	host, rest, ok := strings.Cut(repository, "/")
	if ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return "https://" + host + "/", rest, tag
	}
	return "", repository, tag
}

func (r *nvReport) findings(d Document, i Image) error {
	for _, l := range i.Image.Layers {
		r.Layers = append(r.Layers, nvLayer{
			Digest: l.Digest, Cmds: l.CreatedBy, Size: l.Size, Vulns: []nvVulnerability{}, Secrets: []nvSecret{},
		})
	}
	cves := map[int][]nvModuleID{}
	for _, f := range i.Findings {
		v, err := d.nvVulnerability(f)
		if err != nil {
			return err
		}
		r.Vulns = append(r.Vulns, v)
		if f.LayerIndex >= 0 && f.LayerIndex < len(r.Layers) {
			r.Layers[f.LayerIndex].Vulns = append(r.Layers[f.LayerIndex].Vulns, v)
		}
		cves[f.contents] = append(cves[f.contents], nvModuleID{f.ID, nvStatus(f)})
	}
	for n, p := range i.Contents {
		name, _ := p.Package.Source()
		r.Modules = append(r.Modules, nvModule{Name: p.Name, File: p.Source, Version: p.Version, Source: name, CVEs: cves[n]})
	}
	for _, h := range i.Image.History {
		r.Cmds = append(r.Cmds, h.CreatedBy)
	}
	return nil
}

func (r *nvReport) sightings(i Image) {
	for _, s := range i.Secrets {
		secret := nvSecret{
			Type: cmp.Or(s.Title, s.Rule), Evidence: s.Evidence, Path: rooted(s), Suggestion: "Revoke it and hand it in at run time",
		}
		r.Secrets = append(r.Secrets, secret)
	}
	for _, s := range i.SetIDs {
		r.SetIDs = append(r.SetIDs, nvSetID{Type: s.Rule, Evidence: s.Evidence, Path: rooted(s)})
	}
	for _, c := range i.Checks {
		if c.Level == compliance.Pass {
			continue
		}
		r.Checks = append(r.Checks, nvCheck{
			Check: c.Check, Tags: []string{}, Evidence: strings.Join(c.Messages, "\n"), Location: i.Image.Reference, Message: c.Messages,
		})
	}
}

// rooted is a path as NeuVector writes it; a place in the configuration has none.
func rooted(s Sighting) string {
	if s.Layer < 0 {
		return s.Path
	}
	return "/" + s.Path
}

func (d Document) nvVulnerability(f Finding) (nvVulnerability, error) {
	detail, err := d.detail(f.ID)
	if err != nil {
		return nvVulnerability{}, err
	}
	v := nvVulnerability{
		Name: f.ID, Severity: nvSeverity(f), Description: detail.Description, FileName: f.Path, PackageName: f.Package,
		Version: f.Installed, Fixed: f.Fixed, CPEs: []string{}, CVEs: []string{}, FeedRating: nvWord(f.Severity), InBase: f.InBase,
	}
	if strings.HasPrefix(f.ID, "CVE-") {
		v.CVEs = []string{f.ID}
	}
	if f.Summary != nil {
		v.Link = f.URL
		v.Description = cmp.Or(v.Description, f.Title)
		v.Published, v.Modified = unix(f.Published), unix(f.Modified)
		v.rate(f, detail.CVSS)
	}
	if f.Settled() {
		v.Tags = []string{"accepted"}
	}
	return v, nil
}

// advised reports whether there are advisories for the distribution at all.
func (i Image) advised() bool {
	for _, e := range []inventory.Ecosystem{inventory.Apk, inventory.Dpkg, inventory.Rpm} {
		if _, known := match.Stream(e, i.OS); known {
			return true
		}
	}
	return false
}

// rate fills in the scores of both versions of CVSS: the first of each, asking the
// source that rated the finding before NVD and all others.
func (v *nvVulnerability) rate(f Finding, cvss types.VendorCVSS) {
	order := append([]types.SourceID{types.SourceID(f.SeveritySource), types.SourceID(f.Source), "nvd", "ghsa", "redhat"}, slices.Sorted(maps.Keys(cvss))...)
	for _, source := range order {
		c := cvss[source]
		if v.ScoreV3 == 0 && c.V3Score > 0 {
			v.ScoreV3, v.VectorsV3 = c.V3Score, c.V3Vector
		}
		if v.Score == 0 && c.V2Score > 0 {
			v.Score, v.Vectors = c.V2Score, c.V2Vector
		}
	}
	// Without details there is the one that findings carry.
	switch {
	case v.Score != 0 || v.ScoreV3 != 0:
	case strings.HasPrefix(f.Vector, "CVSS:"):
		v.ScoreV3, v.VectorsV3 = f.Score, f.Vector
	default:
		v.Score, v.Vectors = f.Score, f.Vector
	}
}

// nvSeverity never says unknown: readers count the four words only.
func nvSeverity(f Finding) string {
	if f.Severity != match.Unknown || f.Summary == nil {
		return cmp.Or(nvWord(f.Severity), "Low")
	}
	switch {
	case f.Score >= 9:
		return "Critical"
	case f.Score >= 7:
		return "High"
	case f.Score >= 4:
		return "Medium"
	}
	return "Low"
}

func nvWord(s match.Severity) string {
	return map[match.Severity]string{match.Critical: "Critical", match.High: "High", match.Medium: "Medium", match.Low: "Low"}[s]
}

func nvStatus(f Finding) string {
	switch {
	case f.Settled():
		return "unaffected"
	case f.Fixed != "":
		return "fix exists"
	case f.Status == "will_not_fix" || f.Status == "end_of_life":
		return "will not fix"
	}
	return "unpatched"
}

func unix(t *time.Time) int64 {
	if t == nil || t.IsZero() {
		return 0
	}
	return t.Unix()
}
