package trivy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/muster-sec/muster/plugins/sdk"
)

var digestSyntax = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// subject makes out which image the document is about, from what it says and
// without guessing.
func (p *parser) subject() (sdk.Subject, error) {
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
	err := p.check("the document", field{"platform", s.Platform, maxName}, field{"OS family", s.OSFamily, maxName},
		field{"OS name", s.OSVersion, maxName}, field{"version of Trivy", s.ToolVersion, maxName})
	if err != nil {
		return sdk.Subject{}, err
	}
	if err := p.digests(&s); err != nil {
		return sdk.Subject{}, err
	}
	return s, p.reference(&s)
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
	if m.ImageID != "" && !digestSyntax.MatchString(m.ImageID) {
		return fmt.Errorf("%w: ImageID %.100q is not a sha256 digest", sdk.ErrInvalid, m.ImageID)
	}
	s.ImageID = m.ImageID
	if len(m.DiffIDs) > maxPath || !everyDigest(m.DiffIDs) {
		return fmt.Errorf("%w: DiffIDs are not sha256 digests of layers", sdk.ErrInvalid)
	}
	s.DiffIDs = m.DiffIDs
	return nil
}

func everyDigest(all []string) bool {
	return !slices.ContainsFunc(all, func(d string) bool { return !digestSyntax.MatchString(d) })
}

// reference takes over what the image is called: as Trivy was asked for it, or
// else by its first tag. The digest of a repository counts if it is the one of
// that name, or if there is but one.
func (p *parser) reference(s *sdk.Subject) error {
	asked := p.asked()
	known, err := p.repoDigests()
	if err != nil {
		return err
	}
	if asked.repository == "" && len(known) > 0 {
		asked = imageName{registry: known[0].registry, repository: known[0].repository}
	}
	s.Registry, s.Repository, s.Tag, s.Digest = asked.registry, asked.repository, asked.tag, asked.digest
	if s.Digest != "" {
		return nil
	}
	var all, same []string
	for _, d := range known {
		all = append(all, d.digest)
		if d.registry == asked.registry && d.repository == asked.repository {
			same = append(same, d.digest)
		}
	}
	if len(same) > 0 {
		all = same
	}
	switch all = distinct(all); len(all) {
	case 0:
		return nil // who posts the document may know it
	case 1:
		s.Digest = all[0]
		return nil
	default:
		return p.warn("the document names %d digests of manifests and not which one was scanned", len(all))
	}
}

// asked is the name that Trivy was given, or else the image's first tag.
func (p *parser) asked() imageName {
	for _, text := range append([]string{p.header.ArtifactName}, p.header.Metadata.RepoTags...) {
		if n, ok := parseName(text); ok {
			return n
		}
	}
	return imageName{}
}

// repoDigests are the names with digests that the image has.
func (p *parser) repoDigests() ([]imageName, error) {
	var names []imageName
	for _, text := range p.header.Metadata.RepoDigests {
		n, ok := parseName(text)
		if ok && n.digest != "" {
			names = append(names, n)
		} else if err := p.warn("the repository digest %.120q is not understood", text); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func distinct(digests []string) []string {
	digests = slices.Clone(digests)
	slices.Sort(digests)
	return slices.Compact(digests)
}

// imageName is a reference in its parts; registry is empty where none is named.
type imageName struct {
	registry, repository, tag, digest string
}

// parseName reads a reference. Files are none, though some names of files would
// do as references.
func parseName(text string) (imageName, bool) {
	lower := strings.ToLower(text)
	if text == "" || len(text) > maxName || strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/") ||
		strings.HasSuffix(lower, ".tar") || strings.HasSuffix(lower, ".tar.gz") || strings.HasSuffix(lower, ".tgz") {
		return imageName{}, false
	}
	tagged, digest, _ := strings.Cut(text, "@")
	if digest != "" && !digestSyntax.MatchString(digest) {
		return imageName{}, false
	}
	ref, err := name.NewTag(tagged, name.WeakValidation, name.WithDefaultRegistry(""), name.WithDefaultTag(""))
	if err != nil {
		return imageName{}, false
	}
	return imageName{registry: ref.RegistryStr(), repository: ref.RepositoryStr(), tag: ref.TagStr(), digest: digest}, true
}
