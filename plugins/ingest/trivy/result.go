package trivy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

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
	if err := p.expect('{', "a result as an object"); err != nil {
		return err
	}
	r := &result{}
	for p.dec.PeekKind() != '}' {
		key, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := p.resultField(r, key.String()); err != nil {
			return err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	r.typed = true
	return p.flush(r, 1)
}

func (p *parser) resultField(r *result, name string) error {
	switch name {
	case "Target":
		return p.text(&r.target)
	case "Class":
		return p.text(&r.class)
	case "Type":
		r.typed = true
		return p.text(&r.kind)
	case "Packages":
		p.listed = true
		return p.each(name, func() error { return p.pkg(r) })
	case "Vulnerabilities":
		return p.each(name, func() error { return p.vulnerability(r) })
	default:
		return p.dec.SkipValue()
	}
}

func (p *parser) text(s *string) error {
	if err := p.value(s); err != nil {
		return err
	}
	return p.check("result", field{"text", *s, maxName})
}

func (p *parser) pkg(r *result) error {
	var in pkg
	if err := p.value(&in); err != nil {
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
		Licenses:      clip(in.Licenses, maxLicenses),
	}
	err := p.check("package "+strconv.Quote(in.Name),
		field{"Name", out.Name, maxName}, field{"Version", out.Version, maxName}, field{"Arch", out.Arch, maxName},
		field{"SrcName", out.SourceName, maxName}, field{"SrcVersion", out.SourceVersion, maxName},
		field{"FilePath", out.Path, maxPath}, field{"PURL", out.PURL, maxPath}, field{"Layer", out.Layer, maxName})
	if err != nil {
		return err
	}
	if out.Name == "" {
		return p.warn("a package without a name in %.80q is left out", r.target)
	}
	r.packages = append(r.packages, out)
	if err := p.count(); err != nil {
		return err
	}
	return p.flush(r, batch)
}

func (p *parser) vulnerability(r *result) error {
	var in vulnerability
	if err := p.value(&in); err != nil {
		return err
	}
	score, vector := in.score()
	out := sdk.Finding{
		ID: in.VulnerabilityID, Package: in.PkgName, InstalledVersion: in.InstalledVersion, FixedVersion: in.FixedVersion,
		Severity: severity(in.Severity), Status: in.Status, Score: score, Vector: vector,
		Title: cut(in.Title, maxTitle), Description: cut(in.Description, maxDescription), URL: in.PrimaryURL,
		Path: in.PkgPath, PURL: in.PkgIdentifier.PURL, Layer: in.Layer.DiffID,
		Published: in.PublishedDate, Modified: in.LastModifiedDate,
	}
	err := p.check("finding "+strconv.Quote(in.VulnerabilityID),
		field{"VulnerabilityID", out.ID, maxName}, field{"PkgName", out.Package, maxName},
		field{"InstalledVersion", out.InstalledVersion, maxName}, field{"FixedVersion", out.FixedVersion, maxPath},
		field{"Status", out.Status, maxName}, field{"PrimaryURL", out.URL, maxPath}, field{"PkgPath", out.Path, maxPath},
		field{"PURL", out.PURL, maxPath}, field{"Layer", out.Layer, maxName}, field{"vector", out.Vector, maxName})
	if err != nil {
		return err
	}
	if out.ID == "" || out.Package == "" {
		return p.warn("a finding without an id or a package in %.80q is left out", r.target)
	}
	r.findings = append(r.findings, out)
	if err := p.count(); err != nil {
		return err
	}
	return p.flush(r, batch)
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
		if err := p.hand(p.sink.Packages(r.packages)); err != nil {
			return err
		}
		r.packages = nil
	}
	if len(r.findings) >= from {
		for i := range r.findings {
			r.findings[i].Ecosystem = r.kind
			r.findings[i].Path = r.path(r.findings[i].Path)
		}
		if err := p.hand(p.sink.Findings(r.findings)); err != nil {
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

func severity(s string) sdk.Severity {
	switch strings.ToUpper(s) {
	case "":
		return sdk.SeverityUnspecified
	case "LOW":
		return sdk.SeverityLow
	case "MEDIUM":
		return sdk.SeverityMedium
	case "HIGH":
		return sdk.SeverityHigh
	case "CRITICAL":
		return sdk.SeverityCritical
	default:
		return sdk.SeverityUnknown
	}
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
