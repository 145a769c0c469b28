package cyclonedx

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/ingest/internal/imagename"
	"github.com/muster-sec/muster/plugins/ingest/internal/purl"
	"github.com/muster-sec/muster/plugins/sdk"
)

// parser reads one document.
type parser struct {
	*document.Reader

	format, version string
	metadata        metadata
	os              component // of the image
	byRef           map[string]*sdk.Package
	waiting         []vulnerability // until all components are known
	listed          bool            // the document has components
}

var _ document.Shape = (*parser)(nil)

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Tools     tools     `json:"tools"`
	Component component `json:"component"`
}

// Field reads the value of one name at the top of the document.
func (p *parser) Field(name string) error {
	switch name {
	case "bomFormat":
		return p.Value(&p.format)
	case "specVersion":
		return p.Value(&p.version)
	case "metadata":
		return p.Value(&p.metadata)
	case "components":
		p.listed = true
		return p.Array(name, func() error {
			var c component
			if err := p.Value(&c); err != nil {
				return err
			}
			return p.component(c, 0)
		})
	case "vulnerabilities":
		return p.Array(name, p.vulnerability)
	default:
		return p.Skip()
	}
}

// Subject makes out which image the document is about, and hands on the findings.
func (p *parser) Subject() (sdk.Subject, error) {
	switch {
	case p.format != bomFormat:
		return sdk.Subject{}, fmt.Errorf("%w: bomFormat is %.40q: this is not a bill of materials in CycloneDX's JSON", sdk.ErrInvalid, p.format)
	case !strings.HasPrefix(p.version, "1."):
		return sdk.Subject{}, fmt.Errorf("%w: specVersion is %.40q; documents of the versions 1.2 to 1.7 are read", sdk.ErrInvalid, p.version)
	}
	for _, v := range p.waiting {
		if err := p.findings(v); err != nil {
			return sdk.Subject{}, err
		}
	}
	tool := p.metadata.Tools.made()
	s := sdk.Subject{
		Tool: strings.ToLower(tool.Name), ToolVersion: tool.Version, ListsPackages: p.listed,
		OSFamily: p.os.Name, OSVersion: p.os.Version,
	}
	if s.Tool == "" {
		s.Tool = Name // the document does not say who wrote it
	}
	if p.metadata.Timestamp != "" {
		made, err := time.Parse(time.RFC3339, p.metadata.Timestamp)
		if err != nil {
			return sdk.Subject{}, fmt.Errorf("%w: timestamp %.60q is no time", sdk.ErrInvalid, p.metadata.Timestamp)
		}
		s.Created = made
	}
	err := p.image(&s)
	return s, err
}

// image makes out the image from the component that the document is about: from
// its package URL, from the properties that Trivy writes, and from its name.
func (p *parser) image(s *sdk.Subject) error {
	c := p.metadata.Component
	if c.Type != "" && c.Type != "container" {
		return p.Warn("the document is about a %.40q and not about a container: it says no image's name", c.Type)
	}
	claims := imagename.Claims{Asked: c.all("aquasecurity:trivy:RepoTag"), Digests: c.all("aquasecurity:trivy:RepoDigest")}
	claims.Asked = slices.Insert(claims.Asked, 0, c.Name)
	if u, ok := purl.Parse(c.PURL); ok {
		if image := u.Image(); strings.Contains(image, "@") && !slices.Contains(claims.Digests, image) {
			claims.Digests = append(claims.Digests, untagged(image))
		}
	}
	// Syft writes the manifest's digest as the version.
	if imagename.IsDigest(c.Version) && len(claims.Digests) == 0 && !strings.Contains(c.Name, "@") {
		if _, ok := imagename.Parse(c.Name); ok {
			claims.Digests = append(claims.Digests, untagged(c.Name+"@"+c.Version))
		}
	}
	if id := c.first("aquasecurity:trivy:ImageID"); imagename.IsDigest(id) {
		s.ImageID = id
	}
	if ids := c.all("aquasecurity:trivy:DiffID"); imagename.EveryDigest(ids) {
		s.DiffIDs = ids
	}
	return p.WarnAll(claims.Identify(s))
}

// untagged is a name with a digest, without the tag it has beside it.
func untagged(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	return name + "@" + digest
}
