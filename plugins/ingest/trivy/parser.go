package trivy

import (
	"time"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
)

const maxResults = 100_000

// parser reads one document.
type parser struct {
	*document.Reader

	header  header
	results int
	listed  bool // packages are listed somewhere
}

var _ document.Shape = (*parser)(nil)

// header is what a document says about itself, outside of its results.
type header struct {
	Version      int
	Tool         struct{ Version string }
	ArtifactName string
	ArtifactType string
	CreatedAt    time.Time
	Metadata     metadata
}

type metadata struct {
	OS struct {
		Family string
		Name   string
	}
	ImageID     string
	DiffIDs     []string
	RepoTags    []string
	RepoDigests []string
	ImageConfig struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Variant      string `json:"variant"`
	}
}

// Field reads the value of one name at the top of the document.
func (p *parser) Field(name string) error {
	switch name {
	case "SchemaVersion":
		return p.Value(&p.header.Version)
	case "Trivy":
		return p.Value(&p.header.Tool)
	case "ArtifactName":
		return p.Value(&p.header.ArtifactName)
	case "ArtifactType":
		return p.Value(&p.header.ArtifactType)
	case "CreatedAt":
		return p.Value(&p.header.CreatedAt)
	case "Metadata":
		return p.Value(&p.header.Metadata)
	case "Results":
		return p.Array("Results", p.result)
	default:
		return p.Skip()
	}
}
