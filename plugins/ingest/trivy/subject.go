package trivy

import (
	"fmt"
	"strings"

	"github.com/muster-sec/muster/plugins/ingest/internal/imagename"
	"github.com/muster-sec/muster/plugins/sdk"
)

const maxLayers = 1 << 10

// Subject makes out which image the document is about, from what it says and
// without guessing.
func (p *parser) Subject() (sdk.Subject, error) {
	h, m := p.header, p.header.Metadata
	switch {
	case h.Version == 0:
		return sdk.Subject{}, fmt.Errorf("%w: no SchemaVersion: this is not a report of `trivy image --format json`", sdk.ErrInvalid)
	case h.Version != schemaVersion:
		return sdk.Subject{}, fmt.Errorf("%w: SchemaVersion is %d; reports of version %d are read", sdk.ErrInvalid, h.Version, schemaVersion)
	case h.ArtifactType != "container_image":
		return sdk.Subject{}, fmt.Errorf("%w: ArtifactType is %.40q; reports about a container_image are read", sdk.ErrInvalid, h.ArtifactType)
	}
	s := sdk.Subject{
		Platform: platform(m.ImageConfig.OS, m.ImageConfig.Architecture, m.ImageConfig.Variant),
		OSFamily: m.OS.Family, OSVersion: m.OS.Name,
		Tool: "trivy", ToolVersion: h.Tool.Version, Created: h.CreatedAt,
		ListsPackages: p.listed,
	}
	if err := p.digests(&s); err != nil {
		return sdk.Subject{}, err
	}
	// As Trivy was asked for it, or else by its first tag.
	claims := imagename.Claims{Asked: append([]string{h.ArtifactName}, m.RepoTags...), Digests: m.RepoDigests}
	err := p.WarnAll(claims.Identify(&s))
	return s, err
}

func platform(os, arch, variant string) string {
	if os == "" || arch == "" {
		return ""
	}
	return strings.TrimSuffix(os+"/"+arch+"/"+variant, "/")
}

// digests takes over the digests of the image's configuration and layers.
func (p *parser) digests(s *sdk.Subject) error {
	m := p.header.Metadata
	if m.ImageID != "" && !imagename.IsDigest(m.ImageID) {
		return fmt.Errorf("%w: ImageID %.100q is not a sha256 digest", sdk.ErrInvalid, m.ImageID)
	}
	s.ImageID = m.ImageID
	if len(m.DiffIDs) > maxLayers || !imagename.EveryDigest(m.DiffIDs) {
		return fmt.Errorf("%w: DiffIDs are not sha256 digests of layers", sdk.ErrInvalid)
	}
	s.DiffIDs = m.DiffIDs
	return nil
}
