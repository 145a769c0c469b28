package scanjob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/layer"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/pull"
)

// Puller is the Scanner that reads registries with the scanner library. It is
// safe for concurrent use.
type Puller struct {
	scanner   *scanner.Scanner
	analyzers string
	hosts     *registryhttp.Hosts
}

var _ Scanner = (*Puller)(nil)

// NewPuller makes a puller; analyzers names those of sc, as analyze.Fingerprint
// does, and hosts is the memory of what requests to registries must keep to.
func NewPuller(sc *scanner.Scanner, analyzers string, hosts *registryhttp.Hosts) *Puller {
	return &Puller{sc, analyzers, hosts}
}

// Analyzers implements Scanner.
func (p *Puller) Analyzers() string { return p.analyzers }

// indexChildren bounds what one index may ask for; the largest published ones
// have some thirty entries.
const indexChildren = 256

// Index implements Scanner. Entries that are no image (attestations, nested
// indexes, foreign documents) get the platform unknown/unknown, which is how an
// index itself marks its attestations.
func (p *Puller) Index(ctx context.Context, t Target) (model.Index, bool, error) {
	ref, err := reference(t)
	if err != nil {
		return model.Index{}, false, err
	}
	tr, err := p.hosts.Transport(t.Registry)
	if err != nil {
		return model.Index{}, false, err
	}
	defer tr.Close()
	desc, err := remote.Get(ref, remote.WithContext(ctx), remote.WithTransport(tr), remote.WithAuth(registryhttp.Auth(t.Credential)))
	if err != nil {
		return model.Index{}, false, faultOf(fmt.Errorf("read %s: %w", ref, err))
	}
	if !desc.MediaType.IsIndex() {
		return model.Index{}, false, nil
	}
	manifest, err := v1.ParseIndexManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		return model.Index{}, false, fault.New(fault.Invalid, "index %s cannot be read: %w", t.Digest, err)
	}
	if len(manifest.Manifests) > indexChildren {
		return model.Index{}, false, fault.New(fault.TooLarge, "index %s has %d entries, at most %d are allowed", t.Digest, len(manifest.Manifests), indexChildren)
	}
	ix := model.Index{Digest: t.Digest}
	for _, d := range manifest.Manifests {
		digest, err := model.ParseDigest(d.Digest.String())
		if err != nil {
			return model.Index{}, false, fmt.Errorf("index %s: %w", t.Digest, err)
		}
		ix.Children = append(ix.Children, model.IndexChild{Digest: digest, Platform: childPlatform(d)})
	}
	return ix, true, nil
}

func childPlatform(d v1.Descriptor) model.Platform {
	other := model.Platform{OS: "unknown", Architecture: "unknown"}
	if d.MediaType != "" && !d.MediaType.IsImage() || len(d.URLs) > 0 {
		return other
	}
	var p model.Platform
	if d.Platform != nil {
		p = model.Platform{OS: d.Platform.OS, Architecture: d.Platform.Architecture, Variant: d.Platform.Variant}
	}
	// Whoever writes an index chooses its annotations. Runtimes go by the platform,
	// so the mark of an attestation hides nothing that has one.
	if p == (model.Platform{}) && d.Annotations["vnd.docker.reference.type"] != "" {
		return other
	}
	return p
}

// Image implements Scanner.
func (p *Puller) Image(ctx context.Context, t Target) (Found, error) {
	ref, err := reference(t)
	if err != nil {
		return Found{}, err
	}
	tr, err := p.hosts.Transport(t.Registry)
	if err != nil {
		return Found{}, err
	}
	defer tr.Close()
	found, err := p.scanner.Inventory(ctx, ref.Name(), pull.Options{
		Keychain: keychain{registryhttp.Auth(t.Credential)}, Transport: tr, PlainHTTP: registryhttp.IsPlain(t.Registry.URL),
	})
	if err != nil {
		return Found{}, faultOf(err)
	}
	if len(found) != 1 {
		return Found{}, fault.New(fault.Invalid, "%s is %d images", t.Digest, len(found))
	}
	return Found{Inventory: found[0].Inventory, Sets: found[0].Sets}, nil
}

// reference is HOST/REPOSITORY@DIGEST at the registry's address.
func reference(t Target) (name.Digest, error) {
	u, err := url.Parse(t.Registry.URL)
	if err != nil || u.Host == "" {
		return name.Digest{}, fault.New(fault.Invalid, "the URL of registry %s names no host", t.Registry.Name)
	}
	options := []name.Option{name.StrictValidation}
	if registryhttp.IsPlain(t.Registry.URL) {
		options = append(options, name.Insecure)
	}
	ref, err := name.NewDigest(u.Host+"/"+t.Repository+"@"+string(t.Digest), options...)
	if err != nil {
		return ref, fault.New(fault.Invalid, "registry %s: %w", t.Registry.Name, err)
	}
	return ref, nil
}

// keychain has one key; the scanner asks it about the reference's registry only.
type keychain struct{ auth authn.Authenticator }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) { return k.auth, nil }

// faultOf tells what of a scan's failures is final. A digest that does not match
// counts as a damaged transfer and refused credentials as expired ones: both are
// worth another attempt.
func faultOf(err error) error {
	var refused *transport.Error
	after, later := fault.RetryAfterOf(err)
	switch {
	case later:
		return fault.New(fault.Unavailable, "%w", err).WithRetryAfter(after)
	case errors.Is(err, pull.ErrUnsupported), errors.Is(err, layer.ErrCompression):
		return fault.New(fault.Unsupported, "%w", err)
	case errors.Is(err, limit.ErrExceeded):
		return fault.New(fault.TooLarge, "%w", err)
	case errors.Is(err, pull.ErrDigest), errors.Is(err, layer.ErrDigest):
		return fault.New(fault.Unavailable, "%w", err)
	case errors.Is(err, pull.ErrMalformed), errors.Is(err, pull.ErrReference):
		return fault.New(fault.Invalid, "%w", err)
	case errors.Is(err, pull.ErrNotFound), errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		return fault.New(fault.NotFound, "%w", err)
	case errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden):
		return fault.New(fault.Unavailable, "%w", err).WithHint("the registry refuses the credentials: muster registry test shows at which step")
	}
	return fault.New(fault.Unavailable, "%w", err)
}
