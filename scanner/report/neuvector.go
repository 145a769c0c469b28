package report

import (
	"cmp"
	"io"
	"strings"
	"time"

	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/purl"
)

// The types below are NeuVector's report of an image from a pipeline, as its
// readers expect it: lists are never null, times are seconds.
type nvDocument struct {
	ErrorMessage string   `json:"error_message"`
	Report       nvReport `json:"report"`
}

type nvReport struct {
	ImageID       string            `json:"image_id"`
	Registry      string            `json:"registry"`
	Repository    string            `json:"repository"`
	Tag           string            `json:"tag"`
	Digest        string            `json:"digest"`
	Size          int64             `json:"size"`
	Author        string            `json:"author"`
	BaseOS        string            `json:"base_os"`
	CreatedAt     string            `json:"created_at"`
	DBVersion     string            `json:"cvedb_version"`
	DBCreated     string            `json:"cvedb_create_time"`
	OSStatus      string            `json:"os_scan_status"`
	Vulns         []nvVulnerability `json:"vulnerabilities"`
	Modules       []nvModule        `json:"modules"`
	Checks        []nvCheck         `json:"checks"`
	Secrets       []nvSecret        `json:"secrets"`
	SetIDs        []nvSetID         `json:"setid_perms"`
	Env           []string          `json:"envs"`
	Labels        map[string]string `json:"labels"`
	Cmds          []string          `json:"cmds"`
	Layers        []nvLayer         `json:"layers"`
	SignatureData nvSignature       `json:"signature_data"`
}

type nvSignature struct {
	Verifiers []string `json:"verifiers"`
	Timestamp string   `json:"verification_timestamp"`
}

type nvVulnerability struct {
	Name        string   `json:"name"`
	Score       float64  `json:"score"`
	Severity    string   `json:"severity"`
	Vectors     string   `json:"vectors"`
	Description string   `json:"description"`
	FileName    string   `json:"file_name"`
	PackageName string   `json:"package_name"`
	Version     string   `json:"package_version"`
	Fixed       string   `json:"fixed_version"`
	Link        string   `json:"link"`
	ScoreV3     float64  `json:"score_v3"`
	VectorsV3   string   `json:"vectors_v3"`
	Published   int64    `json:"published_timestamp"`
	Modified    int64    `json:"last_modified_timestamp"`
	CPEs        []string `json:"cpes"`
	CVEs        []string `json:"cves"`
	FeedRating  string   `json:"feed_rating"`
	InBase      bool     `json:"in_base_image,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

type nvModule struct {
	Name    string       `json:"name"`
	File    string       `json:"file"`
	Version string       `json:"version"`
	Source  string       `json:"source"`
	CVEs    []nvModuleID `json:"cves,omitempty"`
	CPEs    []string     `json:"cpes,omitempty"`
}

type nvModuleID struct {
	Name   string `json:"name"`
	Status string `json:"status"`
}

type nvCheck struct {
	compliance.Check
	Tags     []string `json:"tags"`
	Evidence string   `json:"evidence"`
	Location string   `json:"location"`
	Message  []string `json:"message"`
	Group    string   `json:"group"`
}

type nvSecret struct {
	Type       string `json:"type"`
	Evidence   string `json:"evidence"`
	Path       string `json:"path"`
	Suggestion string `json:"suggestion"`
}

type nvSetID struct {
	Type     string `json:"type"`
	Evidence string `json:"evidence"`
	Path     string `json:"path"`
}

type nvLayer struct {
	Digest  string            `json:"digest"`
	Cmds    string            `json:"cmds"`
	Vulns   []nvVulnerability `json:"vulnerabilities"`
	Secrets []nvSecret        `json:"secrets"`
	Size    int64             `json:"size"`
}

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
		r.BaseOS, r.OSStatus = i.OS.Family+":"+i.OS.Version, "OSScanStatusSupported"
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
		if strings.HasPrefix(f.Vector, "CVSS:") {
			v.ScoreV3, v.VectorsV3 = f.Score, f.Vector
		} else {
			v.Score, v.Vectors = f.Score, f.Vector
		}
	}
	if f.Settled() {
		v.Tags = []string{"accepted"}
	}
	return v, nil
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
