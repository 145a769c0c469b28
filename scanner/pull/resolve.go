package pull

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/limit"
)

// referenceType is the annotation by which BuildKit marks an index entry that
// describes another one instead of being an image.
const referenceType = "vnd.docker.reference.type"

// resolver walks from what a reference names down to images.
type resolver struct {
	reference string
	source    source
	options   Options
	platform  v1.Platform
	seen      map[v1.Hash]bool
}

// shape tells manifests and indexes apart by what is in them, whatever they say.
type shape struct {
	SchemaVersion int64           `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Config        json.RawMessage `json:"config"`
	Layers        json.RawMessage `json:"layers"`
	Manifests     json.RawMessage `json:"manifests"`
	FSLayers      json.RawMessage `json:"fsLayers"`
}

func (r *resolver) resolve(ctx context.Context, doc document, depth int) ([]*Image, error) {
	raw, digest, err := load(doc, "manifest_bytes", r.options.Limits.ManifestBytes)
	if err != nil {
		return nil, err
	}
	var s shape
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, digest, err)
	}
	mediaType, err := kindOf(s, doc.mediaType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", digest, err)
	}
	if mediaType.IsIndex() {
		return r.index(ctx, raw, digest, depth)
	}
	image, err := r.image(ctx, raw, digest, mediaType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", digest, err)
	}
	return []*Image{image}, nil
}

// kindOf decides what a document is and refuses one that could be read in two
// ways: whoever checks it as an image must not run it as an index.
func kindOf(s shape, declared types.MediaType) (types.MediaType, error) {
	isIndex := present(s.Manifests)
	isImage := present(s.Config) || present(s.Layers)
	said := s.MediaType
	switch {
	case present(s.FSLayers) || declared.IsSchema1() || said.IsSchema1():
		return "", fmt.Errorf("%w: Docker schema 1 manifest", ErrUnsupported)
	case isIndex && isImage:
		return "", fmt.Errorf("%w: both an image and an index", ErrMalformed)
	case !isIndex && !isImage:
		return "", fmt.Errorf("%w: neither an image nor an index", ErrMalformed)
	case said != "" && (said.IsIndex() && isImage || said.IsImage() && isIndex):
		return "", fmt.Errorf("%w: it says %q and is something else", ErrMalformed, said)
	case declared.IsIndex() && isImage || declared.IsImage() && isIndex:
		return "", fmt.Errorf("%w: declared as %q and is something else", ErrMalformed, declared)
	case said != "" && !said.IsIndex() && !said.IsImage():
		return "", fmt.Errorf("%w: media type %.200q", ErrUnsupported, said)
	}
	switch {
	case said != "":
		return said, nil
	case declared.IsIndex() || declared.IsImage():
		return declared, nil
	case isIndex:
		return types.OCIImageIndex, nil
	}
	return types.OCIManifestSchema1, nil
}

func present(field json.RawMessage) bool {
	return len(field) > 0 && !bytes.Equal(field, []byte("null"))
}

func (r *resolver) index(ctx context.Context, raw []byte, digest v1.Hash, depth int) ([]*Image, error) {
	if err := limit.Check("index_depth", int64(r.options.Limits.IndexDepth), int64(depth+1)); err != nil {
		return nil, err
	}
	if r.seen[digest] {
		return nil, fmt.Errorf("%w: index %s contains itself", ErrMalformed, digest)
	}
	r.seen[digest] = true
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("%w: index %s: %w", ErrMalformed, digest, err)
	}
	if err := limit.Check("index_children", int64(r.options.Limits.IndexChildren), int64(len(index.Manifests))); err != nil {
		return nil, err
	}
	chosen := r.choose(index.Manifests)
	if len(chosen) == 0 {
		return nil, r.nothingChosen(index.Manifests)
	}
	var images []*Image
	var problems, passedOver error
	for _, child := range chosen {
		found, err := r.child(ctx, child, depth)
		images = append(images, found...)
		switch {
		case err == nil:
		case errors.Is(err, ErrUnsupported):
			passedOver = err
		default:
			problems = errors.Join(problems, err)
		}
		if !r.options.AllPlatforms && len(images) > 0 {
			return images[:1], nil
		}
		if ctx.Err() != nil {
			return images, ctx.Err()
		}
	}
	if len(images) == 0 && problems == nil {
		problems = passedOver
	}
	return images, problems
}

func (r *resolver) child(ctx context.Context, d v1.Descriptor, depth int) ([]*Image, error) {
	if len(d.URLs) > 0 {
		return nil, fmt.Errorf("%w: manifest %s lies at a foreign address", ErrUnsupported, d.Digest)
	}
	doc, err := r.source.manifest(ctx, d.Digest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	doc.digest = d.Digest
	return r.resolve(ctx, doc, depth+1)
}

// choose returns the entries that may hold a wanted image, each digest once.
func (r *resolver) choose(entries []v1.Descriptor) []v1.Descriptor {
	var chosen []v1.Descriptor
	taken := map[v1.Hash]bool{}
	for _, d := range entries {
		if taken[d.Digest] || attestation(d) || !(d.MediaType == "" || d.MediaType.IsImage() || d.MediaType.IsIndex()) {
			continue
		}
		// An entry that does not tell its platform may be the right one.
		if r.options.AllPlatforms || d.Platform == nil || d.Platform.Satisfies(r.platform) {
			taken[d.Digest] = true
			chosen = append(chosen, d)
		}
	}
	return chosen
}

func (r *resolver) nothingChosen(entries []v1.Descriptor) error {
	platforms := []string{}
	for _, d := range entries {
		if d.Platform != nil && !attestation(d) && len(platforms) < 20 {
			platforms = append(platforms, d.Platform.String())
		}
	}
	if len(platforms) == 0 {
		return fmt.Errorf("%w: the index holds no image", ErrUnsupported)
	}
	return fmt.Errorf("%w: no image for %s; there are %v", ErrNotFound, r.platform.String(), platforms)
}

func attestation(d v1.Descriptor) bool {
	return d.Annotations[referenceType] != "" ||
		d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

func (r *resolver) image(ctx context.Context, raw []byte, digest v1.Hash, mediaType types.MediaType) (*Image, error) {
	image := &Image{
		Reference: r.reference, Digest: digest, MediaType: mediaType, Size: int64(len(raw)), source: r.source,
	}
	if err := json.Unmarshal(raw, &image.Manifest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := checkManifest(image.Manifest, r.options.Limits); err != nil {
		return nil, err
	}
	var err error
	if image.Config, err = config(ctx, r.source, image.Manifest.Config, r.options.Limits); err != nil {
		return nil, err
	}
	if have, want := len(image.Config.RootFS.DiffIDs), len(image.Manifest.Layers); have != want {
		return nil, fmt.Errorf("%w: configuration names %d layers, manifest has %d", ErrMalformed, have, want)
	}
	return image, nil
}

// checkManifest refuses what is no image of layers that lie in the registry.
func checkManifest(m v1.Manifest, limits limit.Limits) error {
	if m.ArtifactType != "" && !m.Config.MediaType.IsConfig() {
		return fmt.Errorf("%w: artifact of type %.200q", ErrUnsupported, m.ArtifactType)
	}
	if !m.Config.MediaType.IsConfig() {
		return fmt.Errorf("%w: configuration of type %.200q", ErrUnsupported, m.Config.MediaType)
	}
	if err := limit.Check("layers", int64(limits.Layers), int64(len(m.Layers))); err != nil {
		return err
	}
	if err := checkHash(m.Config.Digest); err != nil {
		return err
	}
	for _, l := range m.Layers {
		if err := checkHash(l.Digest); err != nil {
			return err
		}
		switch {
		case len(l.URLs) > 0 || !l.MediaType.IsDistributable():
			return fmt.Errorf("%w: layer %s lies at a foreign address", ErrUnsupported, l.Digest)
		case !l.MediaType.IsLayer():
			return fmt.Errorf("%w: layer of type %.200q", ErrUnsupported, l.MediaType)
		}
		if err := limit.Check("layer_bytes", limits.LayerBytes, l.Size); err != nil {
			return err
		}
	}
	return nil
}

// checkHash refuses digests that are absent or of a kind that is not computed here.
func checkHash(h v1.Hash) error {
	if h.Algorithm != "sha256" || len(h.Hex) != 2*sha256.Size {
		return fmt.Errorf("%w: digest %.100q is not sha256", ErrMalformed, h.String())
	}
	return nil
}

func hashOf(raw []byte) v1.Hash {
	sum := sha256.Sum256(raw)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
