package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
// specification 1.1, or by its fallback tag. An OCI layout has none. When there
// are more than the limits allow, the first are returned together with the error.
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
	resp, err := registry.get(ctx, "referrers", hash.String(), accepted())
	if errors.Is(err, ErrNotFound) {
		resp, err = registry.get(ctx, "manifests", hash.Algorithm+"-"+hash.Hex, accepted())
	}
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pull: referrers of %s: %w", digest, err)
	}
	list, err := registry.referrers(ctx, resp, o.Limits)
	if err != nil {
		return list, fmt.Errorf("pull: referrers of %s: %w", digest, err)
	}
	return list, nil
}

func accepted() []string { return []string{string(types.OCIImageIndex)} }

// referrers reads the first page and those that follow it. All pages together
// are bounded as one document is.
func (s *registrySource) referrers(ctx context.Context, page *http.Response, limits limit.Limits) ([]Referrer, error) {
	var list []Referrer
	left := limits.ManifestBytes
	for n := 1; ; n++ {
		raw, _, err := load(document{body: page.Body}, "manifest_bytes", left)
		if err != nil {
			return list, err
		}
		left -= int64(len(raw))
		more, err := parseReferrers(raw)
		if err != nil {
			return list, err
		}
		list = append(list, more...)
		if err := limit.Check("referrers", int64(limits.Referrers), int64(len(list))); err != nil {
			return list[:limits.Referrers], err
		}
		next, err := nextPage(page)
		if err != nil || next == nil {
			return list, err
		}
		if err := limit.Check("referrer_pages", int64(limits.ReferrerPages), int64(n+1)); err != nil {
			return list, err
		}
		if page, err = s.fetch(ctx, next, accepted()); err != nil {
			return list, err
		}
	}
}

// nextPage reads the Link header of a page (RFC 8288); nil without one. The next
// page lies in the same registry under the same path.
func nextPage(page *http.Response) (*url.URL, error) {
	link := page.Header.Get("Link")
	if link == "" || page.Request == nil {
		return nil, nil
	}
	target, rest, closed := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
	if !closed || !strings.Contains(rest, `rel="next"`) && !strings.Contains(rest, "rel=next") {
		return nil, nil
	}
	next, err := page.Request.URL.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("%w: the next page: %w", ErrMalformed, err)
	}
	at := page.Request.URL
	if next.Scheme != at.Scheme || next.Host != at.Host || next.Path != at.Path || next.User != nil {
		return nil, fmt.Errorf("%w: the next page of %s lies elsewhere, at %.200s", ErrMalformed, at.Path, next.Redacted())
	}
	return next, nil
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
