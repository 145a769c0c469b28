package sarif

import (
	"fmt"
	"strings"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/ingest/internal/imagename"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxRuns    = 100
	maxRules   = 200_000 // of one run
	maxResults = 200_000 // of one run
)

// parser reads one document.
type parser struct {
	*document.Reader

	version string
	subject sdk.Subject
	runs    int
	left    int // results that name no package
}

var _ document.Shape = (*parser)(nil)

// run is one run of a tool over one image.
type run struct {
	tool, toolVersion string
	rules             []rule
	byID              map[string]int
	results           []result
	properties        properties
}

// properties are what Trivy writes about the image.
type properties struct {
	ImageName   string   `json:"imageName"`
	ImageID     string   `json:"imageID"`
	RepoTags    []string `json:"repoTags"`
	RepoDigests []string `json:"repoDigests"`
}

// Field reads the value of one name at the top of the document.
func (p *parser) Field(name string) error {
	switch name {
	case "version":
		return p.Value(&p.version)
	case "runs":
		return p.Array(name, p.run)
	default:
		return p.Skip()
	}
}

func (p *parser) run() error {
	if p.runs++; p.runs > maxRuns {
		return fmt.Errorf("%w: the document has more than %d runs", sdk.ErrLimit, maxRuns)
	}
	r := &run{byID: map[string]int{}}
	if err := p.Object("a run as an object", func(name string) error { return p.runField(r, name) }); err != nil {
		return err
	}
	if err := p.take(r); err != nil {
		return err
	}
	for _, found := range r.results {
		if err := p.finding(r, found); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) runField(r *run, name string) error {
	switch name {
	case "tool":
		return p.Object("the tool as an object", func(name string) error {
			if name != "driver" {
				return p.Skip()
			}
			return p.Object("the driver as an object", func(name string) error { return p.driverField(r, name) })
		})
	case "results":
		return p.Array(name, func() error { return p.result(r) })
	case "properties":
		return p.Value(&r.properties)
	default:
		return p.Skip()
	}
}

func (p *parser) driverField(r *run, name string) error {
	switch name {
	case "name":
		return p.Value(&r.tool)
	case "version":
		return p.Value(&r.toolVersion)
	case "semanticVersion":
		if r.toolVersion != "" {
			return p.Skip()
		}
		return p.Value(&r.toolVersion)
	case "rules":
		return p.Array(name, func() error { return p.rule(r) })
	default:
		return p.Skip()
	}
}

// take takes over what a run says about the tool and the image. Several runs
// are one scan only if they are about the same image.
func (p *parser) take(r *run) error {
	if r.tool == "" {
		return fmt.Errorf("%w: a run does not name its tool", sdk.ErrInvalid)
	}
	s := sdk.Subject{Tool: strings.ToLower(r.tool), ToolVersion: r.toolVersion}
	if id := r.properties.ImageID; id != "" {
		if !imagename.IsDigest(id) {
			return fmt.Errorf("%w: imageID %.100q is not a sha256 digest", sdk.ErrInvalid, id)
		}
		s.ImageID = id
	}
	claims := imagename.Claims{Asked: append([]string{r.properties.ImageName}, r.properties.RepoTags...), Digests: r.properties.RepoDigests}
	if err := p.WarnAll(claims.Identify(&s)); err != nil {
		return err
	}
	if p.runs == 1 {
		p.subject = s
		return nil
	}
	if named(s) && named(p.subject) && (s.Repository != p.subject.Repository || s.Digest != p.subject.Digest || s.ImageID != p.subject.ImageID) {
		return fmt.Errorf("%w: the runs are about several images: post them one by one", sdk.ErrInvalid)
	}
	if !named(p.subject) {
		s.Tool, s.ToolVersion = p.subject.Tool, p.subject.ToolVersion
		p.subject = s
	}
	return nil
}

func named(s sdk.Subject) bool { return s.Repository != "" || s.Digest != "" || s.ImageID != "" }

// Subject returns what the runs said.
func (p *parser) Subject() (sdk.Subject, error) {
	switch {
	case p.version != version:
		return sdk.Subject{}, fmt.Errorf("%w: version is %.40q: SARIF %s is read", sdk.ErrInvalid, p.version, version)
	case p.runs == 0:
		return sdk.Subject{}, fmt.Errorf("%w: the document has no runs: nothing was scanned", sdk.ErrInvalid)
	case p.left > 0:
		return p.subject, p.Warn("%d results that name no package are left out", p.left)
	default:
		return p.subject, nil
	}
}
