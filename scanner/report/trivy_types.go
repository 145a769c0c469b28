package report

import (
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The types below are the part of Trivy's JSON report, schema 2, that other
// tools read (trivy, pkg/types/report.go).
type trivyReport struct {
	SchemaVersion int            `json:"SchemaVersion"`
	Trivy         trivyVersionOf `json:"Trivy"`
	CreatedAt     time.Time      `json:"CreatedAt"`
	ArtifactID    string         `json:"ArtifactID,omitempty"`
	ArtifactName  string         `json:"ArtifactName"`
	ArtifactType  string         `json:"ArtifactType"`
	Metadata      trivyMetadata  `json:"Metadata"`
	Results       []trivyResult  `json:"Results,omitempty"`
}

// trivyForm is the version of Trivy whose reports look like these.
const trivyForm = "0.74.0"

type trivyVersionOf struct {
	Version string `json:"Version"`
}

type trivyMetadata struct {
	Size        int64         `json:"Size,omitempty"`
	OS          *trivyOS      `json:"OS,omitempty"`
	ImageID     string        `json:"ImageID,omitempty"`
	DiffIDs     []string      `json:"DiffIDs,omitempty"`
	RepoTags    []string      `json:"RepoTags,omitempty"`
	RepoDigests []string      `json:"RepoDigests,omitempty"`
	ImageConfig v1.ConfigFile `json:"ImageConfig"`
	Layers      []trivyLayer  `json:"Layers,omitempty"`
}

type trivyOS struct {
	Family string `json:"Family"`
	Name   string `json:"Name"`
	EOSL   bool   `json:"EOSL,omitempty"`
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
	Module     string           `json:"Modularitylabel,omitempty"`
	Repository *trivyRepository `json:"Repository,omitempty"`
	Layer      trivyLayer       `json:"Layer"`
	FilePath   string           `json:"FilePath,omitempty"`
	AnalyzedBy string           `json:"AnalyzedBy,omitempty"`
}

// trivyRepository says whether a package is the distribution's own.
type trivyRepository struct {
	Class string `json:"Class"`
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
	DataSource       *types.DataSource    `json:"DataSource,omitempty"`
	Fingerprint      string               `json:"Fingerprint,omitempty"`
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
