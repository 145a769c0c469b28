package trivy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
)

// result is one element of Results: the packages of one source, for instance of
// the operating system, or of one lock file.
type result struct {
	target, class, kind string
	typed               bool // kind has been read, or will not come
	packages            []sdk.Package
	findings            []sdk.Finding
}

// pkg is what is read of a package. Everything else, the list of its files
// above all, is skipped without being kept.
type pkg struct {
	Name       string
	Version    string
	Release    string
	Epoch      int
	Arch       string
	SrcName    string
	SrcVersion string
	SrcRelease string
	SrcEpoch   int
	Licenses   []string
	FilePath   string
	Identifier struct{ PURL string }
	Layer      layer
}

type layer struct{ DiffID string }

// vulnerability is what is read of a finding.
type vulnerability struct {
	VulnerabilityID  string
	PkgName          string
	PkgPath          string
	PkgIdentifier    struct{ PURL string }
	InstalledVersion string
	FixedVersion     string
	Status           string
	Layer            layer
	SeveritySource   string
	Severity         string
	PrimaryURL       string
	Title            string
	Description      string
	CVSS             map[string]cvss
	PublishedDate    time.Time
	LastModifiedDate time.Time
}

type cvss struct {
	V2Vector  string
	V3Vector  string
	V40Vector string
	V2Score   float64
	V3Score   float64
	V40Score  float64
}

// result reads one element of Results. Trivy writes Type before the lists, and
// then they are handed on in batches; otherwise they wait for it.
func (p *parser) result() error {
	if p.results++; p.results > maxResults {
		return fmt.Errorf("%w: the document has more than %d results", sdk.ErrLimit, maxResults)
	}
	r := &result{}
	if err := p.Object("a result as an object", func(name string) error { return p.resultField(r, name) }); err != nil {
		return err
	}
	r.typed = true
	return p.flush(r, 1)
}

func (p *parser) resultField(r *result, name string) error {
	switch name {
	case "Target":
		return p.Text("result", &r.target)
	case "Class":
		return p.Text("result", &r.class)
	case "Type":
		r.typed = true
		return p.Text("result", &r.kind)
	case "Packages":
		p.listed = true
		return p.Array(name, func() error { return p.pkg(r) })
	case "Vulnerabilities":
		return p.Array(name, func() error { return p.vulnerability(r) })
	default:
		return p.Skip()
	}
}

func (p *parser) pkg(r *result) error {
	var in pkg
	if err := p.Value(&in); err != nil {
		return err
	}
	out := sdk.Package{
		Name:          in.Name,
		Version:       version(in.Epoch, in.Version, in.Release),
		Arch:          in.Arch,
		SourceName:    in.SrcName,
		SourceVersion: version(in.SrcEpoch, in.SrcVersion, in.SrcRelease),
		Path:          in.FilePath,
		PURL:          in.Identifier.PURL,
		Layer:         in.Layer.DiffID,
		Licenses:      document.Clip(in.Licenses, document.MaxLicenses),
	}
	if out.Name == "" {
		return p.Warn("a package without a name in %.80q is left out", r.target)
	}
	if err := p.CheckPackage(out); err != nil {
		return err
	}
	r.packages = append(r.packages, out)
	return p.flush(r, document.Batch)
}

func (p *parser) vulnerability(r *result) error {
	var in vulnerability
	if err := p.Value(&in); err != nil {
		return err
	}
	score, vector := in.score()
	out := sdk.Finding{
		ID: in.VulnerabilityID, Package: in.PkgName, InstalledVersion: in.InstalledVersion, FixedVersion: in.FixedVersion,
		Severity: document.Severity(in.Severity), Status: in.Status, Score: score, Vector: vector,
		Title: document.Cut(in.Title, document.MaxTitle), Description: document.Cut(in.Description, document.MaxDescription), URL: in.PrimaryURL,
		Path: in.PkgPath, PURL: in.PkgIdentifier.PURL, Layer: in.Layer.DiffID,
		Published: in.PublishedDate, Modified: in.LastModifiedDate,
	}
	if out.ID == "" || out.Package == "" {
		return p.Warn("a finding without an id or a package in %.80q is left out", r.target)
	}
	if err := p.CheckFinding(out); err != nil {
		return err
	}
	r.findings = append(r.findings, out)
	return p.flush(r, document.Batch)
}

// flush hands on what was read of a result, from a number of items on.
func (p *parser) flush(r *result, from int) error {
	if !r.typed {
		return nil
	}
	if len(r.packages) >= from {
		for i := range r.packages {
			r.packages[i].Ecosystem = r.kind
			r.packages[i].Path = r.path(r.packages[i].Path)
		}
		if err := p.Packages(r.packages); err != nil {
			return err
		}
		r.packages = nil
	}
	if len(r.findings) >= from {
		for i := range r.findings {
			r.findings[i].Ecosystem = r.kind
			r.findings[i].Path = r.path(r.findings[i].Path)
		}
		if err := p.Findings(r.findings); err != nil {
			return err
		}
		r.findings = nil
	}
	return nil
}

// path is where a package was found: its own file, or else the lock file or
// binary that the whole result is about.
func (r *result) path(own string) string {
	if own != "" || r.class != "lang-pkgs" {
		return own
	}
	return r.target
}

// version joins the parts of a version the way Trivy compares them.
func version(epoch int, v, release string) string {
	if v == "" {
		return ""
	}
	if release != "" {
		v += "-" + release
	}
	if epoch > 0 {
		v = strconv.Itoa(epoch) + ":" + v
	}
	return v
}

// score picks one of the scores that several sources give: CVSS 3 before 4
// before 2, and of one version NVD's before that of the severity's source
// before the others in the order of their names.
func (v *vulnerability) score() (float64, string) {
	rank := func(source string) int {
		switch source {
		case "nvd":
			return 0
		case v.SeveritySource:
			return 1
		default:
			return 2
		}
	}
	sources := slices.SortedFunc(maps.Keys(v.CVSS), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	for _, pick := range []func(cvss) (float64, string){
		func(c cvss) (float64, string) { return c.V3Score, c.V3Vector },
		func(c cvss) (float64, string) { return c.V40Score, c.V40Vector },
		func(c cvss) (float64, string) { return c.V2Score, c.V2Vector },
	} {
		for _, source := range sources {
			if score, vector := pick(v.CVSS[source]); score > 0 && score <= 10 {
				return score, vector
			}
		}
	}
	return 0, ""
}
