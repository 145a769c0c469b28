// Package pull opens image references: it resolves a name to images by way of
// manifests and indexes, checks every document against its digest before it is
// believed, and hands out layers as streams. It reads registries, OCI layout
// folders and saved archives, and writes nothing.
package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/limit"
)

// Errors that Open wraps, beside those of package limit. Errors of the registry
// itself are *transport.Error of go-containerregistry, with its status code.
var (
	// ErrReference says that a reference cannot be parsed.
	ErrReference = errors.New("pull: invalid reference")
	// ErrNotFound says that the reference, or the platform asked for, is not there.
	ErrNotFound = errors.New("pull: not found")
	// ErrUnsupported says that the reference names something that is no image
	// for scanning: an attestation, a chart, an image of foreign layers. It is
	// no failure.
	ErrUnsupported = errors.New("pull: not a scannable image")
	// ErrDigest says that a document is not what its digest names.
	ErrDigest = errors.New("pull: content does not match its digest")
	// ErrMalformed says that a document contradicts itself or the specification.
	ErrMalformed = errors.New("pull: malformed manifest")
	// ErrInsecure says that a registry was about to be spoken to in plain HTTP
	// without leave.
	ErrInsecure = errors.New("pull: plain HTTP refused")
)

// Options says how to reach a registry and what to take from it.
type Options struct {
	// Keychain gives the credentials for the registry of the reference; it is
	// asked about no other. Nil means anonymous.
	Keychain authn.Keychain
	// Transport makes the requests; nil means http.DefaultTransport. TLS is
	// verified as it says.
	Transport http.RoundTripper
	// Resolver finds the addresses of the hosts that a registry redirects to; nil
	// means the system's.
	Resolver Resolver
	// PlainHTTP allows a registry without TLS.
	PlainHTTP bool
	// UserAgent names the caller to the registry.
	UserAgent string
	// Platform chooses from an index, "os/architecture[/variant]", or several of
	// them with commas between; empty means linux/amd64. AllPlatforms takes every
	// image of the index instead.
	Platform     string
	AllPlatforms bool
	// Limits bounds documents and indexes; the zero value means the defaults.
	Limits limit.Limits
}

// Image is one image for one platform: its documents are here, its layers are
// still where they were. It is safe for concurrent use.
type Image struct {
	// Reference is what was asked for.
	Reference string
	// Digest and MediaType are the manifest's, Size is its length in bytes.
	Digest    v1.Hash
	MediaType types.MediaType
	Size      int64
	Manifest  v1.Manifest
	Config    v1.ConfigFile

	source source
}

// Layer opens the i-th layer as it is stored. The digest of what it reads is
// for the reader to check. The caller closes it; ctx ends the transfer.
func (i *Image) Layer(ctx context.Context, n int) (io.ReadCloser, error) {
	body, err := i.source.blob(ctx, i.Manifest.Layers[n].Digest)
	if err != nil {
		return nil, fmt.Errorf("pull: layer %s of %s: %w", i.Manifest.Layers[n].Digest, i.Reference, err)
	}
	return body, nil
}

// Origin is where the image's blobs lie: "https://registry.example", or the
// folder or file of a layout or archive. Two images with the same origin are
// answered by the same server.
func (i *Image) Origin() string { return i.source.origin() }

// Repository is the part of the origin that access is granted to; empty when
// the origin has no parts.
func (i *Image) Repository() string { return i.source.repository() }

// Holds says whether the origin shows, to the credentials the image was opened
// with, that it has the i-th layer in the image's repository. It reads nothing
// of the layer. It is also false when the origin could not be asked: opening
// the layer then tells why.
func (i *Image) Holds(ctx context.Context, n int) bool {
	return i.source.holds(ctx, i.Manifest.Layers[n].Digest)
}

// source is where documents and blobs come from.
type source interface {
	origin() string
	repository() string
	holds(ctx context.Context, digest v1.Hash) bool
	// root opens the manifest or index that the reference names. The digest is
	// the expected one, or zero when the reference is a name that can move.
	root(ctx context.Context) (document, error)
	// manifest opens a manifest by digest.
	manifest(ctx context.Context, digest v1.Hash) (document, error)
	// blob opens a blob by digest.
	blob(ctx context.Context, digest v1.Hash) (io.ReadCloser, error)
}

// document is a manifest or an index as it came.
type document struct {
	body io.ReadCloser
	// mediaType is what the source declares, maybe nothing.
	mediaType types.MediaType
	// digest is the expected one, zero if there is no expectation.
	digest v1.Hash
}

// Open resolves a reference to images: [docker://]HOST/REPOSITORY[:TAG|@DIGEST]
// in a registry, oci:FOLDER[:NAME] in an OCI layout, or docker-archive:FILE[:NAME]
// in a file that "docker save" wrote. For one platform it returns exactly one. With
// AllPlatforms or for several, an image of the index that cannot be opened, or is
// not there, does not hide the others: what could be opened is returned together
// with the error; attestations and other artifacts of the index are passed over.
func Open(ctx context.Context, ref string, o Options) ([]*Image, error) {
	o.Limits = o.Limits.WithDefaults()
	src, err := open(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	platforms, err := parsePlatforms(o.Platform)
	if err != nil {
		return nil, err
	}
	doc, err := src.root(ctx)
	if err != nil {
		return nil, fmt.Errorf("pull: %s: %w", ref, err)
	}
	// One document answers for all platforms: a name may move in between.
	raw, digest, err := load(doc, "manifest_bytes", o.Limits.ManifestBytes)
	if err != nil {
		return nil, fmt.Errorf("pull: %s: %w", ref, err)
	}
	var images []*Image
	var problems error
	for _, p := range platforms {
		r := &resolver{reference: ref, source: src, options: o, platform: p, seen: map[v1.Hash]bool{}}
		found, err := r.resolve(ctx, document{body: io.NopCloser(bytes.NewReader(raw)), mediaType: doc.mediaType, digest: digest}, 0)
		problems = errors.Join(problems, err)
		for _, i := range found {
			if !slices.ContainsFunc(images, func(have *Image) bool { return have.Digest == i.Digest }) {
				images = append(images, i)
			}
		}
		if o.AllPlatforms {
			break
		}
	}
	if problems != nil {
		return images, fmt.Errorf("pull: %s: %w", ref, problems)
	}
	return images, nil
}

// parsePlatforms reads platforms with commas between, each once.
func parsePlatforms(text string) ([]v1.Platform, error) {
	var platforms []v1.Platform
	for word := range strings.SplitSeq(text, ",") {
		p, err := parsePlatform(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(platforms, p.Equals) {
			platforms = append(platforms, p)
		}
	}
	return platforms, nil
}

func parsePlatform(text string) (v1.Platform, error) {
	if text == "" {
		return v1.Platform{OS: "linux", Architecture: "amd64"}, nil
	}
	p, err := v1.ParsePlatform(text)
	if err != nil || p.OS == "" || p.Architecture == "" {
		return v1.Platform{}, fmt.Errorf("%w: platform %.100q is not os/architecture[/variant]", ErrReference, text)
	}
	return *p, nil
}

// load reads a document within its bound and proves its digest.
func load(doc document, name string, max int64) ([]byte, v1.Hash, error) {
	defer doc.body.Close()
	raw, err := limit.ReadAll(doc.body, name, max)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	got := hashOf(raw)
	if doc.digest != (v1.Hash{}) && doc.digest != got {
		return nil, v1.Hash{}, fmt.Errorf("%w: document is %s, expected %s", ErrDigest, got, doc.digest)
	}
	return raw, got, nil
}

// config reads the configuration of an image.
func config(ctx context.Context, s source, d v1.Descriptor, limits limit.Limits) (v1.ConfigFile, error) {
	body, err := s.blob(ctx, d.Digest)
	if err != nil {
		return v1.ConfigFile{}, fmt.Errorf("configuration: %w", err)
	}
	raw, _, err := load(document{body: body, digest: d.Digest}, "config_bytes", limits.ConfigBytes)
	if err != nil {
		return v1.ConfigFile{}, fmt.Errorf("configuration: %w", err)
	}
	var c v1.ConfigFile
	if err := json.Unmarshal(raw, &c); err != nil {
		return v1.ConfigFile{}, fmt.Errorf("%w: configuration: %w", ErrMalformed, err)
	}
	return c, nil
}
