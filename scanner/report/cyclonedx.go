package report

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
	"github.com/muster-sec/muster/scanner/vex"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// cycloneDX builds one document.
type cycloneDX struct {
	document        Document
	components      []cdx.Component
	dependencies    []cdx.Dependency
	vulnerabilities []cdx.Vulnerability
	refs            map[string]int
}

// CycloneDX writes the document as a CycloneDX 1.6 bill of materials with its
// vulnerabilities. References of components are package URLs wherever that is
// unambiguous, so that VEX documents can point at them.
func CycloneDX(w io.Writer, d Document) error {
	b := &cycloneDX{document: d, refs: map[string]int{}}
	// The library writes other versions than its newest from a copy of the document.
	bom := cdx.NewBOM()
	bom.SpecVersion, bom.JSONSchema = cdx.SpecVersion1_6, "http://cyclonedx.org/schema/bom-1.6.schema.json"
	bom.SerialNumber = "urn:uuid:" + d.id()
	bom.Metadata = &cdx.Metadata{
		Timestamp: d.Created.Format(time.RFC3339),
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{{
			Type: cdx.ComponentTypeApplication, Group: "muster-sec", Name: "muster", Version: d.Tool,
		}}},
	}
	for n, i := range d.Images {
		subject := imageComponent(i)
		if n == 0 {
			bom.Metadata.Component = &subject
		} else {
			b.components = append(b.components, subject)
		}
		if err := b.image(i, subject.BOMRef); err != nil {
			return err
		}
	}
	bom.Components, bom.Dependencies, bom.Vulnerabilities = &b.components, some(b.dependencies), some(b.vulnerabilities)
	if b.components == nil {
		bom.Components = &[]cdx.Component{}
	}
	return encode(w, "cyclonedx", bom)
}

// id names the document: equal results have equal names.
func (d Document) id() string {
	h := sha256.New()
	fmt.Fprintln(h, d.Database.Revision, d.Created.Unix(), d.Tool)
	for _, i := range d.Images {
		fmt.Fprintln(h, i.Image.Reference, i.Image.Digest)
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, h.Sum(nil)).String()
}

func imageComponent(i Image) cdx.Component {
	repository, tag := purl.Repository(i.Image.Reference)
	name := purl.OfImage(i.Image)
	c := cdx.Component{
		BOMRef: name, Type: cdx.ComponentTypeContainer, Name: cmp.Or(repository, "image"), Version: cmp.Or(tag, i.Image.Digest),
		PackageURL: name,
	}
	c.Properties = properties(
		"digest", i.Image.Digest, "image_id", i.Image.ImageID, "platform", i.Image.Platform, "reference", i.Image.Reference,
	)
	if i.Image.Digest == "" { // the subject of a bill of materials need not be an image
		c.Type = cdx.ComponentTypeApplication
	}
	return c
}

// properties takes names and values in turns; empty values are left out.
func properties(words ...string) *[]cdx.Property {
	var result []cdx.Property
	for i := 0; i+1 < len(words); i += 2 {
		if words[i+1] != "" {
			result = append(result, cdx.Property{Name: "muster:" + words[i], Value: words[i+1]})
		}
	}
	return some(result)
}

// some is nil for an empty list, which is left out.
func some[T any](list []T) *[]T {
	if len(list) == 0 {
		return nil
	}
	return &list
}

func (b *cycloneDX) image(i Image, root string) error {
	var contains []string
	refs := make([]string, len(i.Contents))
	for n, p := range i.Contents {
		refs[n] = b.ref(p.PURL)
		contains = append(contains, refs[n])
		b.components = append(b.components, packageComponent(i, p, refs[n]))
	}
	if system := strings.TrimSpace(i.OS.Family + " " + i.OS.Version); i.OS.Family != "" {
		ref := b.ref("os:" + system)
		contains = append(contains, ref)
		b.components = append(b.components, cdx.Component{
			BOMRef: ref, Type: cdx.ComponentTypeOS, Name: i.OS.Family, Version: i.OS.Version,
			Properties: properties("end_of_life", dayOf(i.EndOfLife)),
		})
	}
	b.dependencies = append(b.dependencies, cdx.Dependency{Ref: root, Dependencies: some(contains)})
	at := map[string]int{}
	for _, f := range i.Findings {
		ref := root
		if f.contents >= 0 && f.contents < len(refs) {
			ref = refs[f.contents]
		}
		affected := cdx.Affects{Ref: ref, Range: &[]cdx.AffectedVersions{{Version: f.Installed, Status: cdx.VulnerabilityStatusAffected}}}
		key := f.ID + "\x00" + f.Severity.String() + "\x00" + f.Fixed + "\x00" + markText(f.Mark)
		if n, known := at[key]; known {
			*b.vulnerabilities[n].Affects = append(*b.vulnerabilities[n].Affects, affected)
			continue
		}
		v, err := b.vulnerability(f)
		if err != nil {
			return err
		}
		v.Affects = &[]cdx.Affects{affected}
		at[key] = len(b.vulnerabilities)
		b.vulnerabilities = append(b.vulnerabilities, v)
	}
	return nil
}

// ref makes a reference unique: the same package may lie in many places.
func (b *cycloneDX) ref(name string) string {
	b.refs[name]++
	if n := b.refs[name]; n > 1 {
		return name + "#" + strconv.Itoa(n)
	}
	return name
}

func packageComponent(i Image, p Package, ref string) cdx.Component {
	c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: p.PURL}
	if group, name, ok := strings.Cut(p.Name, "/"); ok && p.Ecosystem == inventory.NPM {
		c.Group, c.Name = group, name
	}
	layer := inventory.Layer{}
	if p.LayerIndex >= 0 && p.LayerIndex < len(i.Image.Layers) {
		layer = i.Image.Layers[p.LayerIndex]
	}
	c.Properties = properties(
		"ecosystem", string(p.Ecosystem), "path", p.Source, "layer_digest", layer.Digest, "layer_diff_id", layer.DiffID,
		"source_name", p.SourceName, "source_version", p.SourceVersion,
	)
	return c
}

func (b *cycloneDX) vulnerability(f Finding) (cdx.Vulnerability, error) {
	detail, err := b.document.detail(f.ID)
	if err != nil {
		return cdx.Vulnerability{}, err
	}
	v := cdx.Vulnerability{ID: f.ID, Description: detail.Description, Analysis: analysis(f.Mark)}
	if f.Source != "" {
		v.Source = &cdx.Source{Name: f.Source}
	}
	rating := cdx.VulnerabilityRating{Severity: cdx.Severity(strings.ToLower(f.Severity.String())), Method: cdx.ScoringMethodOther}
	if f.SeveritySource != "" {
		rating.Source = &cdx.Source{Name: f.SeveritySource}
	}
	if f.Summary != nil {
		v.Published, v.Updated = dateOf(f.Published), dateOf(f.Modified)
		if v.Description == "" {
			v.Description = f.Title
		}
		if f.Score > 0 {
			rating.Score, rating.Vector, rating.Method = &f.Score, f.Vector, method(f.Vector)
		}
	}
	v.Ratings = &[]cdx.VulnerabilityRating{rating}
	if f.Fixed != "" {
		v.Recommendation = "Upgrade " + f.Package + " to " + f.Fixed
	}
	v.CWEs, v.Advisories = weaknesses(detail.CweIDs), advisories(f, detail)
	return v, nil
}

func advisories(f Finding, detail vulndb.Detail) *[]cdx.Advisory {
	links := detail.References
	if f.Summary != nil && f.URL != "" && !slices.Contains(links, f.URL) {
		links = append([]string{f.URL}, links...)
	}
	var result []cdx.Advisory
	for _, link := range links {
		if link = absoluteURL(link); link != "" {
			result = append(result, cdx.Advisory{URL: link})
		}
	}
	return some(result)
}

// weaknesses reads "CWE-79".
func weaknesses(ids []string) *[]int {
	var result []int
	for _, id := range ids {
		if n, err := strconv.Atoi(strings.TrimPrefix(id, "CWE-")); err == nil && n > 0 && !slices.Contains(result, n) {
			result = append(result, n)
		}
	}
	return some(result)
}

func dateOf(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func method(vector string) cdx.ScoringMethod {
	switch {
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		return cdx.ScoringMethodCVSSv31
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		return cdx.ScoringMethodCVSSv3
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		return cdx.ScoringMethodCVSSv4
	case strings.HasPrefix(vector, "AV:"):
		return cdx.ScoringMethodCVSSv2
	}
	return cdx.ScoringMethodOther
}

// analysis says in CycloneDX's words what a mark says. What a site accepts is
// exploitable all the same, and will not be fixed there.
func analysis(m *vex.Mark) *cdx.VulnerabilityAnalysis {
	if m == nil {
		return nil
	}
	a := &cdx.VulnerabilityAnalysis{Detail: m.Statement}
	switch m.Status {
	case vex.NotAffected:
		a.State, a.Justification = cdx.IASNotAffected, justification(m.Justification)
	case vex.Fixed:
		a.State = cdx.IASResolved
	case vex.Accepted:
		a.State, a.Response = cdx.IASExploitable, &[]cdx.ImpactAnalysisResponse{cdx.IARWillNotFix}
	case vex.UnderInvestigation:
		a.State = cdx.IASInTriage
	default:
		a.State = cdx.IASExploitable
	}
	return a
}

// justification translates OpenVEX's and CSAF's words; CycloneDX's own stay.
func justification(word string) cdx.ImpactAnalysisJustification {
	own := []cdx.ImpactAnalysisJustification{
		cdx.IAJCodeNotPresent, cdx.IAJCodeNotReachable, cdx.IAJRequiresConfiguration, cdx.IAJRequiresDependency,
		cdx.IAJRequiresEnvironment, cdx.IAJProtectedByCompiler, cdx.IAJProtectedAtRuntime, cdx.IAJProtectedAtPerimeter,
		cdx.IAJProtectedByMitigatingControl,
	}
	if j := cdx.ImpactAnalysisJustification(word); slices.Contains(own, j) {
		return j
	}
	switch word {
	case "component_not_present", "vulnerable_code_not_present":
		return cdx.IAJCodeNotPresent
	case "vulnerable_code_not_in_execute_path", "vulnerable_code_cannot_be_controlled_by_adversary":
		return cdx.IAJCodeNotReachable
	case "inline_mitigations_already_exist":
		return cdx.IAJProtectedByMitigatingControl
	}
	return ""
}

var _ Details = (*vulndb.DB)(nil)
