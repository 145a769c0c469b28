package grype

import (
	"fmt"
	"strings"
	"time"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/ingest/internal/imagename"
	"github.com/muster-sec/muster/plugins/sdk"
)

// parser reads one document.
type parser struct {
	*document.Reader

	source     source
	distro     struct{ Name, Version string }
	descriptor descriptor
	matches    bool // there is a list of them
}

var _ document.Shape = (*parser)(nil)

type descriptor struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Timestamp string `json:"timestamp"`
}

type source struct {
	Type   string `json:"type"`
	Target target `json:"target"`
}

// target is what was scanned, if it was an image. Of other types it is a text.
type target struct {
	UserInput    string   `json:"userInput"`
	ImageID      string   `json:"imageID"`
	Tags         []string `json:"tags"`
	RepoDigests  []string `json:"repoDigests"`
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	Layers       []struct {
		Digest string `json:"digest"` // of the layer unpacked
	} `json:"layers"`
}

// Field reads the value of one name at the top of the document.
func (p *parser) Field(name string) error {
	switch name {
	case "matches":
		p.matches = true
		return p.Array(name, p.match)
	case "source":
		return p.Object("the source as an object", p.sourceField)
	case "distro":
		return p.Object("the distro as an object", func(name string) error {
			switch name {
			case "name":
				return p.Value(&p.distro.Name)
			case "version":
				return p.Value(&p.distro.Version)
			default:
				return p.Skip()
			}
		})
	case "descriptor":
		return p.Object("the descriptor as an object", p.descriptorField)
	default:
		return p.Skip()
	}
}

func (p *parser) sourceField(name string) error {
	switch {
	case name == "type":
		return p.Value(&p.source.Type)
	case name == "target" && p.source.Type == "image":
		return p.Value(&p.source.Target)
	default:
		return p.Skip()
	}
}

// descriptorField leaves out Grype's whole configuration.
func (p *parser) descriptorField(name string) error {
	switch name {
	case "name":
		return p.Value(&p.descriptor.Name)
	case "version":
		return p.Value(&p.descriptor.Version)
	case "timestamp":
		return p.Value(&p.descriptor.Timestamp)
	default:
		return p.Skip()
	}
}

// Subject makes out which image the document is about. The manifestDigest that
// Grype writes is left alone: for images out of a container engine it is one
// that Grype made up.
func (p *parser) Subject() (sdk.Subject, error) {
	t := p.source.Target
	switch {
	case p.descriptor.Name != Name || !p.matches:
		return sdk.Subject{}, fmt.Errorf("%w: no matches and descriptor of Grype: this is not a report of `grype -o json`", sdk.ErrInvalid)
	case p.source.Type != "image":
		return sdk.Subject{}, fmt.Errorf("%w: the source is of type %.40q; reports about an image are read", sdk.ErrInvalid, p.source.Type)
	case t.ImageID != "" && !imagename.IsDigest(t.ImageID):
		return sdk.Subject{}, fmt.Errorf("%w: imageID %.100q is not a sha256 digest", sdk.ErrInvalid, t.ImageID)
	}
	s := sdk.Subject{
		ImageID: t.ImageID, OSFamily: p.distro.Name, OSVersion: p.distro.Version,
		Tool: Name, ToolVersion: p.descriptor.Version,
	}
	if t.OS != "" && t.Architecture != "" {
		s.Platform = t.OS + "/" + t.Architecture
	}
	if p.descriptor.Timestamp != "" {
		made, err := time.Parse(time.RFC3339, p.descriptor.Timestamp)
		if err != nil {
			return sdk.Subject{}, fmt.Errorf("%w: timestamp %.60q is no time", sdk.ErrInvalid, p.descriptor.Timestamp)
		}
		s.Created = made
	}
	for _, l := range t.Layers {
		if imagename.IsDigest(l.Digest) {
			s.DiffIDs = append(s.DiffIDs, l.Digest)
		}
	}
	if len(s.DiffIDs) != len(t.Layers) {
		s.DiffIDs = nil // half of them would be another image
	}
	claims := imagename.Claims{Asked: append([]string{withoutScheme(t.UserInput)}, t.Tags...), Digests: t.RepoDigests}
	err := p.WarnAll(claims.Identify(&s))
	return s, err
}

// withoutScheme cuts off where Grype was told to take an image from.
func withoutScheme(input string) string {
	for _, scheme := range []string{"registry:", "docker:", "podman:", "containerd:"} {
		if rest, ok := strings.CutPrefix(input, scheme); ok {
			return rest
		}
	}
	for _, scheme := range []string{"docker-archive:", "oci-archive:", "oci-dir:", "singularity:", "sbom:", "purl:"} {
		if strings.HasPrefix(input, scheme) {
			return ""
		}
	}
	return input
}
