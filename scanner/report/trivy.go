package report

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

// The types below are the part of Trivy's JSON report, schema 2, that other
// tools read (trivy, pkg/types/report.go).
type trivyReport struct {
	SchemaVersion int           `json:"SchemaVersion"`
	CreatedAt     time.Time     `json:"CreatedAt"`
	ArtifactID    string        `json:"ArtifactID,omitempty"`
	ArtifactName  string        `json:"ArtifactName"`
	ArtifactType  string        `json:"ArtifactType"`
	Metadata      trivyMetadata `json:"Metadata"`
	Results       []trivyResult `json:"Results,omitempty"`
}

type trivyMetadata struct {
	Size        int64        `json:"Size,omitempty"`
	OS          *trivyOS     `json:"OS,omitempty"`
	ImageID     string       `json:"ImageID,omitempty"`
	DiffIDs     []string     `json:"DiffIDs,omitempty"`
	RepoTags    []string     `json:"RepoTags,omitempty"`
	RepoDigests []string     `json:"RepoDigests,omitempty"`
	Layers      []trivyLayer `json:"Layers,omitempty"`
}

type trivyOS struct {
	Family string `json:"Family"`
	Name   string `json:"Name"`
}

type trivyLayer struct {
	Size      int64  `json:"Size,omitempty"`
	Digest    string `json:"Digest,omitempty"`
	DiffID    string `json:"DiffID,omitempty"`
	CreatedBy string `json:"CreatedBy,omitempty"`
}

type trivyResult struct {
	Target            string               `json:"Target"`
	Class             string               `json:"Class"`
	Type              string               `json:"Type,omitempty"`
	Packages          []trivyPackage       `json:"Packages,omitempty"`
	Vulnerabilities   []trivyVulnerability `json:"Vulnerabilities,omitempty"`
	Misconfigurations []trivyMisconfig     `json:"Misconfigurations,omitempty"`
	Secrets           []trivySecret        `json:"Secrets,omitempty"`
	Modified          []trivyModified      `json:"ExperimentalModifiedFindings,omitempty"`
}

type trivyIdentifier struct {
	PURL string `json:"PURL,omitempty"`
}

type trivyPackage struct {
	ID         string          `json:"ID,omitempty"`
	Name       string          `json:"Name"`
	Identifier trivyIdentifier `json:"Identifier"`
	trivyVersion
	Arch string `json:"Arch,omitempty"`
	trivySourcePackage
	Layer    trivyLayer `json:"Layer"`
	FilePath string     `json:"FilePath,omitempty"`
}

type trivyVersion struct {
	Version string `json:"Version"`
	Release string `json:"Release,omitempty"`
	Epoch   int    `json:"Epoch,omitempty"`
}

type trivySourcePackage struct {
	SrcName    string `json:"SrcName,omitempty"`
	SrcVersion string `json:"SrcVersion,omitempty"`
	SrcRelease string `json:"SrcRelease,omitempty"`
	SrcEpoch   int    `json:"SrcEpoch,omitempty"`
}

type trivyVulnerability struct {
	VulnerabilityID  string               `json:"VulnerabilityID"`
	PkgID            string               `json:"PkgID,omitempty"`
	PkgName          string               `json:"PkgName"`
	PkgPath          string               `json:"PkgPath,omitempty"`
	PkgIdentifier    trivyIdentifier      `json:"PkgIdentifier"`
	InstalledVersion string               `json:"InstalledVersion"`
	FixedVersion     string               `json:"FixedVersion,omitempty"`
	Status           string               `json:"Status"`
	Layer            trivyLayer           `json:"Layer"`
	SeveritySource   string               `json:"SeveritySource,omitempty"`
	PrimaryURL       string               `json:"PrimaryURL,omitempty"`
	DataSource       *trivySource         `json:"DataSource,omitempty"`
	Title            string               `json:"Title,omitempty"`
	Description      string               `json:"Description,omitempty"`
	Severity         string               `json:"Severity"`
	CweIDs           []string             `json:"CweIDs,omitempty"`
	VendorSeverity   types.VendorSeverity `json:"VendorSeverity,omitempty"`
	CVSS             types.VendorCVSS     `json:"CVSS,omitempty"`
	References       []string             `json:"References,omitempty"`
	PublishedDate    *time.Time           `json:"PublishedDate,omitempty"`
	LastModifiedDate *time.Time           `json:"LastModifiedDate,omitempty"`
}

type trivySource struct {
	ID   string `json:"ID"`
	Name string `json:"Name,omitempty"`
}

type trivySecret struct {
	RuleID    string     `json:"RuleID"`
	Category  string     `json:"Category"`
	Severity  string     `json:"Severity"`
	Title     string     `json:"Title"`
	StartLine int        `json:"StartLine"`
	EndLine   int        `json:"EndLine"`
	Match     string     `json:"Match"`
	Layer     trivyLayer `json:"Layer"`
}

type trivyMisconfig struct {
	Type        string `json:"Type"`
	ID          string `json:"ID"`
	Title       string `json:"Title"`
	Description string `json:"Description"`
	Message     string `json:"Message"`
	Resolution  string `json:"Resolution"`
	Severity    string `json:"Severity"`
	Status      string `json:"Status"`
}

// trivyModified is a finding that VEX or an ignore file settled.
type trivyModified struct {
	Type      string             `json:"Type"`
	Status    string             `json:"Status"`
	Statement string             `json:"Statement,omitempty"`
	Source    string             `json:"Source,omitempty"`
	Finding   trivyVulnerability `json:"Finding"`
}

// Trivy writes the document as Trivy's JSON report, schema 2, of one image.
// Settled findings stand where Trivy puts them, beside the others.
func Trivy(w io.Writer, d Document) error {
	i, err := d.only()
	if err != nil {
		return err
	}
	r := trivyReport{
		SchemaVersion: 2, CreatedAt: d.Created, ArtifactID: i.Image.ImageID, ArtifactName: i.Image.Reference,
		ArtifactType: "container_image", Metadata: i.trivyMetadata(),
	}
	if r.Results, err = d.trivyPackages(i); err != nil {
		return err
	}
	r.Results = append(r.Results, i.trivySecrets()...)
	if m := i.trivyChecks(); len(m) > 0 {
		r.Results = append(r.Results, trivyResult{
			Target: i.Image.Reference, Class: "config", Type: "dockerfile", Misconfigurations: m,
		})
	}
	return encode(w, "trivy", r)
}

func (i Image) trivyMetadata() trivyMetadata {
	m := trivyMetadata{Size: i.Image.Size, ImageID: i.Image.ImageID}
	if i.OS.Family != "" {
		m.OS = &trivyOS{Family: i.OS.Family, Name: i.OS.Version}
	}
	for n, l := range i.Image.Layers {
		m.DiffIDs = append(m.DiffIDs, l.DiffID)
		layer := i.trivyLayer(n)
		layer.Size, layer.CreatedBy = l.Size, ""
		m.Layers = append(m.Layers, layer)
	}
	if repository, tag := purl.Repository(i.Image.Reference); repository != "" {
		if tag != "" {
			m.RepoTags = []string{repository + ":" + tag}
		}
		m.RepoDigests = []string{repository + "@" + i.Image.Digest}
	}
	return m
}

func (i Image) trivyLayer(n int) trivyLayer {
	if n < 0 || n >= len(i.Image.Layers) {
		return trivyLayer{}
	}
	l := i.Image.Layers[n]
	return trivyLayer{Digest: l.Digest, DiffID: l.DiffID, CreatedBy: l.CreatedBy}
}

// trivyKind is how Trivy files packages: class, type and target. Those of some
// kinds are targets by their files, of others all together.
func (i Image) trivyKind(e inventory.Ecosystem, source string) (class, kind, target string) {
	if e.IsOS() {
		family := cmp.Or(i.OS.Family, "none")
		return "os-pkgs", family, i.Image.Reference + " (" + family + " " + i.OS.Version + ")"
	}
	names := map[inventory.Ecosystem][2]string{
		inventory.NPM: {"node-pkg", "Node.js"}, inventory.Python: {"python-pkg", "Python"}, inventory.Gem: {"gemspec", "Ruby"},
		inventory.Go: {"gobinary", ""}, inventory.Rust: {"rustbinary", ""}, inventory.Java: {"jar", "Java"},
		inventory.Composer: {"composer-vendor", ""}, inventory.NuGet: {"dotnet-core", ""}, inventory.Conda: {"conda-pkg", "Conda"},
		inventory.Bitnami: {"bitnami", ""},
	}
	n, known := names[e]
	if !known {
		return "lang-pkgs", string(e), string(e)
	}
	return "lang-pkgs", n[0], cmp.Or(n[1], source)
}

// trivyPackages makes one result for each kind of packages, the system's first.
func (d Document) trivyPackages(i Image) ([]trivyResult, error) {
	var results []trivyResult
	at := map[string]int{}
	result := func(e inventory.Ecosystem, source string) *trivyResult {
		r := trivyResult{}
		r.Class, r.Type, r.Target = i.trivyKind(e, source)
		n, known := at[r.Type+"\x00"+r.Target]
		if !known {
			n = len(results)
			at[r.Type+"\x00"+r.Target] = n
			results = append(results, r)
		}
		return &results[n]
	}
	for _, p := range i.Contents {
		t := trivyPackage{
			ID: trivyID(p), Name: p.Name, trivyVersion: splitVersion(p.Version, p.Ecosystem), Arch: p.Arch,
			Identifier: trivyIdentifier{p.PURL}, Layer: i.trivyLayer(p.LayerIndex),
		}
		if p.Ecosystem.IsOS() {
			name, version := p.Package.Source()
			v := splitVersion(version, p.Ecosystem)
			t.trivySourcePackage = trivySourcePackage{SrcName: name, SrcVersion: v.Version, SrcRelease: v.Release, SrcEpoch: v.Epoch}
		}
		if i.trivyTogether(p.Ecosystem) {
			t.FilePath = p.Source
		}
		r := result(p.Ecosystem, p.Source)
		r.Packages = append(r.Packages, t)
	}
	for _, f := range i.Findings {
		v, err := d.trivyVulnerability(i, f)
		if err != nil {
			return nil, err
		}
		r := result(f.Ecosystem, f.Path)
		if f.Settled() {
			r.Modified = append(r.Modified, trivyModified{
				Type: "vulnerability", Status: trivyStatus(f), Statement: cmp.Or(f.Mark.Statement, f.Mark.Justification),
				Source: f.Mark.Source, Finding: v,
			})
			continue
		}
		r.Vulnerabilities = append(r.Vulnerabilities, v)
	}
	slices.SortStableFunc(results, func(a, b trivyResult) int { return -cmp.Compare(a.Class, b.Class) })
	return results, nil
}

// trivyTogether reports whether packages of many files are one target, so that
// each has to tell its file.
func (i Image) trivyTogether(e inventory.Ecosystem) bool {
	_, _, target := i.trivyKind(e, "")
	return !e.IsOS() && target != ""
}

// trivyID names a package within its target, where Trivy has names.
func trivyID(p Package) string {
	switch p.Ecosystem {
	case inventory.Rpm:
		v := splitVersion(p.Version, p.Ecosystem)
		return p.Name + "@" + v.Version + "-" + v.Release + "." + p.Arch
	case inventory.Python, inventory.Java:
		return ""
	}
	return p.Name + "@" + p.Version
}

// splitVersion takes a version of dpkg or rpm apart as Trivy does.
func splitVersion(text string, e inventory.Ecosystem) trivyVersion {
	v := trivyVersion{Version: text}
	if e != inventory.Dpkg && e != inventory.Rpm {
		return v
	}
	if epoch, rest, ok := strings.Cut(v.Version, ":"); ok {
		if n, err := strconv.Atoi(epoch); err == nil {
			v.Epoch, v.Version = n, rest
		}
	}
	if i := strings.LastIndexByte(v.Version, '-'); i >= 0 {
		v.Version, v.Release = v.Version[:i], v.Version[i+1:]
	}
	return v
}

func trivyStatus(f Finding) string {
	if f.Mark.Status == "accepted" {
		return "ignored"
	}
	return string(f.Mark.Status)
}

func (d Document) trivyVulnerability(i Image, f Finding) (trivyVulnerability, error) {
	detail, err := d.detail(f.ID)
	if err != nil {
		return trivyVulnerability{}, err
	}
	v := trivyVulnerability{
		VulnerabilityID: f.ID, PkgName: f.Package, InstalledVersion: f.Installed,
		PkgIdentifier: trivyIdentifier{f.PURL}, FixedVersion: f.Fixed, Status: f.Status, Layer: i.trivyLayer(f.LayerIndex),
		SeveritySource: f.SeveritySource, Severity: f.Severity.String(), Description: detail.Description, CweIDs: detail.CweIDs,
		VendorSeverity: detail.VendorSeverity, CVSS: detail.CVSS, References: detail.References,
	}
	if f.contents >= 0 && f.contents < len(i.Contents) {
		v.PkgID = trivyID(i.Contents[f.contents])
	}
	if i.trivyTogether(f.Ecosystem) {
		v.PkgPath = f.Path
	}
	if f.Source != "" {
		v.DataSource = &trivySource{ID: f.Source}
	}
	if f.Summary != nil {
		v.Title, v.PrimaryURL, v.PublishedDate, v.LastModifiedDate = f.Title, f.URL, f.Published, f.Modified
	}
	return v, nil
}

// trivySecrets makes one result for each file.
func (i Image) trivySecrets() []trivyResult {
	var results []trivyResult
	for _, s := range i.Secrets {
		if s.Mark != nil && s.Mark.Status.Settles() {
			continue
		}
		if len(results) == 0 || results[len(results)-1].Target != s.Path {
			results = append(results, trivyResult{Target: s.Path, Class: "secret"})
		}
		r := &results[len(results)-1]
		r.Secrets = append(r.Secrets, trivySecret{
			RuleID: s.Rule, Category: "secret", Severity: "HIGH", Title: s.Title, StartLine: s.Line, EndLine: s.Line,
			Match: s.Evidence, Layer: i.trivyLayer(s.Layer),
		})
	}
	return results
}

func (i Image) trivyChecks() []trivyMisconfig {
	var result []trivyMisconfig
	for _, c := range i.Checks {
		if c.Level == compliance.Pass || c.Mark != nil && c.Mark.Status.Settles() {
			continue
		}
		for _, m := range c.Messages {
			result = append(result, trivyMisconfig{
				Type: "dockerfile", ID: c.ID, Title: c.Description, Description: c.Description, Message: m,
				Resolution: c.Remediation, Severity: "MEDIUM", Status: "FAIL",
			})
		}
	}
	return result
}
