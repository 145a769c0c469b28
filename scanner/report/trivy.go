package report

import (
	"cmp"
	"io"
	"slices"

	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

// Trivy writes the document as Trivy's JSON report, schema 2, of one image.
// Settled findings stand where Trivy puts them, beside the others.
func Trivy(w io.Writer, d Document) error {
	i, err := d.only()
	if err != nil {
		return err
	}
	r := trivyReport{
		SchemaVersion: 2, Trivy: trivyVersionOf{trivyForm}, CreatedAt: d.Created, ArtifactID: i.Image.ImageID, ArtifactName: i.Image.Reference,
		ArtifactType: "container_image", Metadata: i.trivyMetadata(d.ended(i)),
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
	r.fingerprint()
	return encode(w, "trivy", r)
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
			Identifier: trivyIdentifier{purl.OfTrivy(p.Package, p.Ecosystem, i.OS)}, Layer: i.trivyLayer(p.LayerIndex), Module: p.Module,
			Repository: trivyRepositoryOf(p), AnalyzedBy: i.trivyAnalyzer(p),
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
		layer := i.trivyLayer(s.Layer)
		if layer.DiffID != "" {
			layer.CreatedBy = i.Image.Layers[s.Layer].CreatedBy
		}
		r.Secrets = append(r.Secrets, trivySecret{
			RuleID: s.Rule, Category: "secret", Severity: "HIGH", Title: s.Title, StartLine: s.Line, EndLine: s.Line,
			Match: s.Evidence, Layer: layer,
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
