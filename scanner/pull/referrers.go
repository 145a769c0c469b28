package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/limit"
)

// Referrer is an artifact that refers to an image: a signature, an attestation,
// a bill of materials.
type Referrer struct {
	// Digest is its manifest's.
	Digest string
	// ArtifactType is the media type of what it is; Predicate the type of an
	// attestation's statement.
	ArtifactType, Predicate string
}

// SBOMFormat returns "cyclonedx" or "spdx" for a bill of materials, "" for others.
func (r Referrer) SBOMFormat() string {
	text := strings.ToLower(r.ArtifactType + " " + r.Predicate)
	switch {
	case strings.Contains(text, "cyclonedx"):
		return "cyclonedx"
	case strings.Contains(text, "spdx"):
		return "spdx"
	}
	return ""
}

// Referrers returns what refers to the manifest with this digest in the
// repository of the reference: by the referrers API of the OCI distribution
// specification 1.1, or by its fallback tag. An OCI layout has none.
func Referrers(ctx context.Context, ref, digest string, o Options) ([]Referrer, error) {
	o.Limits = o.Limits.WithDefaults()
	src, err := open(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	registry, ok := src.(*registrySource)
	if !ok {
		return nil, nil
	}
	hash, err := v1.NewHash(digest)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReference, err)
	}
	resp, err := registry.get(ctx, "referrers", hash.String(), []string{string(types.OCIImageIndex)})
	if errors.Is(err, ErrNotFound) {
		resp, err = registry.get(ctx, "manifests", hash.Algorithm+"-"+hash.Hex, []string{string(types.OCIImageIndex)})
	}
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pull: referrers of %s: %w", digest, err)
	}
	raw, _, err := load(document{body: resp.Body}, "manifest_bytes", o.Limits.ManifestBytes)
	if err != nil {
		return nil, fmt.Errorf("pull: referrers of %s: %w", digest, err)
	}
	return parseReferrers(raw)
}

// Attached returns the content of an artifact that refers to an image, a bill of
// materials for one: the layer of its manifest, of at most max bytes, whose digest
// is proved. The reference names the repository. An artifact of several layers is
// ErrUnsupported.
func Attached(ctx context.Context, ref string, r Referrer, max int64, o Options) ([]byte, error) {
	o.Limits = o.Limits.WithDefaults()
	src, err := open(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	content, err := attached(ctx, src, r, max, o)
	if err != nil {
		return nil, fmt.Errorf("pull: artifact %s: %w", r.Digest, err)
	}
	return content, nil
}

func attached(ctx context.Context, src source, r Referrer, max int64, o Options) ([]byte, error) {
	hash, err := v1.NewHash(r.Digest)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReference, err)
	}
	doc, err := src.manifest(ctx, hash)
	if err != nil {
		return nil, err
	}
	raw, _, err := load(doc, "manifest_bytes", o.Limits.ManifestBytes)
	if err != nil {
		return nil, err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(manifest.Layers) != 1 {
		return nil, fmt.Errorf("%w: it has %d layers and not one", ErrUnsupported, len(manifest.Layers))
	}
	layer := manifest.Layers[0]
	if err := limit.Check("attached_bytes", max, layer.Size); err != nil {
		return nil, err
	}
	body, err := src.blob(ctx, layer.Digest)
	if err != nil {
		return nil, err
	}
	content, _, err := load(document{body: body, digest: layer.Digest}, "attached_bytes", max)
	return content, err
}

func parseReferrers(raw []byte) ([]Referrer, error) {
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("%w: referrers: %w", ErrMalformed, err)
	}
	var result []Referrer
	for _, d := range index.Manifests {
		result = append(result, Referrer{
			Digest: d.Digest.String(), ArtifactType: d.ArtifactType, Predicate: d.Annotations["in-toto.io/predicate-type"],
		})
	}
	return result, nil
}
