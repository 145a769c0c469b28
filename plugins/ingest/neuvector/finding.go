package neuvector

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
)

// resultVul is a vulnerability of a result.
type resultVul struct {
	Name                  string
	Score                 float64
	Severity              string
	Description           string
	PackageNameDeprecated string
	PackageName           string
	PackageVersion        string
	FixedVersion          string
	Link                  string
	Vectors               string
	ScoreV3               float64
	VectorsV3             string
	PublishedDate         string // Unix time in seconds
	LastModifiedDate      string
	DBKey                 string // "alpine:CVE-2022-37434"
	FileName              string
}

func (v *resultVul) finding() sdk.Finding {
	ecosystem, _, _ := strings.Cut(v.DBKey, ":")
	score, vector := scoreOf(v.ScoreV3, v.VectorsV3, v.Score, v.Vectors)
	return sdk.Finding{
		ID: v.Name, Ecosystem: ecosystem, Package: cmp.Or(v.PackageName, v.PackageNameDeprecated),
		InstalledVersion: v.PackageVersion, FixedVersion: v.FixedVersion, Severity: document.Severity(v.Severity),
		Score: score, Vector: vector, Description: v.Description, URL: v.Link, Path: v.FileName,
		Published: seconds(v.PublishedDate), Modified: seconds(v.LastModifiedDate),
	}
}

// reportVul is a vulnerability of a report.
type reportVul struct {
	Name         string  `json:"name"`
	Score        float64 `json:"score"`
	Severity     string  `json:"severity"`
	Vectors      string  `json:"vectors"`
	Description  string  `json:"description"`
	FileName     string  `json:"file_name"`
	PackageName  string  `json:"package_name"`
	Version      string  `json:"package_version"`
	FixedVersion string  `json:"fixed_version"`
	Link         string  `json:"link"`
	ScoreV3      float64 `json:"score_v3"`
	VectorsV3    string  `json:"vectors_v3"`
	Published    int64   `json:"published_timestamp"`
	Modified     int64   `json:"last_modified_timestamp"`
}

func (v *reportVul) finding() sdk.Finding {
	score, vector := scoreOf(v.ScoreV3, v.VectorsV3, v.Score, v.Vectors)
	return sdk.Finding{
		ID: v.Name, Package: v.PackageName, InstalledVersion: v.Version, FixedVersion: v.FixedVersion,
		Severity: document.Severity(v.Severity), Score: score, Vector: vector, Description: v.Description, URL: v.Link, Path: v.FileName,
		Published: moment(v.Published), Modified: moment(v.Modified),
	}
}

// vulnerability reads one of either form.
func vulnerability[T interface{ finding() sdk.Finding }](p *parser, v T) error {
	if err := p.Value(v); err != nil {
		return err
	}
	f := v.finding()
	f.Description = document.Cut(f.Description, document.MaxDescription)
	if f.ID == "" || f.Package == "" {
		return p.Warn("a vulnerability without a name or a package is left out")
	}
	return p.AddFinding(f)
}

// resultModule is a package of a result.
type resultModule struct {
	Name    string
	Version string
	Source  string // "alpine:3.12.12", or what kind of package it is
	File    string
}

func (m *resultModule) pkg() sdk.Package {
	ecosystem, _, _ := strings.Cut(m.Source, ":")
	return sdk.Package{Ecosystem: ecosystem, Name: m.Name, Version: m.Version, Path: m.File}
}

// reportModule is a package of a report.
type reportModule struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Source  string `json:"source"`
	File    string `json:"file"`
}

func (m *reportModule) pkg() sdk.Package {
	same := resultModule(*m)
	return same.pkg()
}

// module reads one of either form.
func module[T interface{ pkg() sdk.Package }](p *parser, m T) error {
	if err := p.Value(m); err != nil {
		return err
	}
	pkg := m.pkg()
	if pkg.Name == "" {
		return p.Warn("a module without a name is left out")
	}
	p.listed = true
	return p.AddPackage(pkg)
}

func scoreOf(v3 float64, vector3 string, v2 float64, vector2 string) (float64, string) {
	return document.BestScore([]document.Score{{Version: "3", Score: v3, Vector: vector3}, {Version: "2", Score: v2, Vector: vector2}})
}

// seconds reads a time as the scanner writes it. What is none is unknown; so is
// what lies before 1970, as the scanner writes unknown times.
func seconds(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return moment(n)
}

const lastSecond = 1 << 36 // in the year 4147

func moment(n int64) time.Time {
	if n <= 0 || n > lastSecond {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
