package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
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
