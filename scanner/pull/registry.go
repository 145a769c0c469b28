package pull

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// open picks the source by the reference's prefix, as skopeo spells them.
func open(ctx context.Context, ref string, o Options) (source, error) {
	if folder, ok := strings.CutPrefix(ref, "oci:"); ok {
		return openLayout(folder, o)
	}
	if file, ok := strings.CutPrefix(ref, "docker-archive:"); ok {
		return openArchive(file, o)
	}
	return openRegistry(ctx, strings.TrimPrefix(ref, "docker://"), o)
}

// registrySource reads one repository of a registry by the OCI distribution API.
type registrySource struct {
	client *http.Client
	ref    name.Reference
	scheme string
}

func openRegistry(ctx context.Context, ref string, o Options) (source, error) {
	var options []name.Option
	if o.PlainHTTP {
		options = append(options, name.Insecure)
	}
	parsed, err := name.ParseReference(ref, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReference, err)
	}
	auth := authn.Anonymous
	if o.Keychain != nil {
		if auth, err = o.Keychain.Resolve(parsed.Context()); err != nil {
			return nil, fmt.Errorf("pull: credentials for %s: %w", parsed.Context().RegistryStr(), err)
		}
	}
	base := cmp.Or[http.RoundTripper](o.Transport, http.DefaultTransport)
	base = Guard(base, parsed.Context().RegistryStr(), o.PlainHTTP, o.Resolver)
	base = transport.NewRetry(base)
	if o.UserAgent != "" {
		base = transport.NewUserAgent(base, o.UserAgent)
	}
	repository := parsed.Context()
	// Only requests to the registry itself carry credentials: the transport
	// leaves redirects to blob stores alone.
	authenticated, err := transport.NewWithContext(ctx, repository.Registry, auth, base, []string{repository.Scope(transport.PullScope)})
	if err != nil {
		return nil, fmt.Errorf("pull: reach registry %s: %w", repository.RegistryStr(), err)
	}
	scheme := "https"
	if o.PlainHTTP {
		scheme = repository.Registry.Scheme()
	}
	return &registrySource{client: &http.Client{Transport: authenticated}, ref: parsed, scheme: scheme}, nil
}

func (s *registrySource) root(ctx context.Context) (document, error) {
	doc, err := s.fetchManifest(ctx, s.ref.Identifier())
	if err != nil {
		return document{}, err
	}
	if d, ok := s.ref.(name.Digest); ok {
		if doc.digest, err = v1.NewHash(d.DigestStr()); err != nil {
			return document{}, errors.Join(fmt.Errorf("%w: %w", ErrReference, err), doc.body.Close())
		}
	}
	return doc, nil
}

func (s *registrySource) manifest(ctx context.Context, digest v1.Hash) (document, error) {
	if err := checkHash(digest); err != nil {
		return document{}, err
	}
	doc, err := s.fetchManifest(ctx, digest.String())
	doc.digest = digest
	return doc, err
}

func (s *registrySource) fetchManifest(ctx context.Context, identifier string) (document, error) {
	accept := []string{
		string(types.OCIManifestSchema1), string(types.OCIImageIndex),
		string(types.DockerManifestSchema2), string(types.DockerManifestList),
	}
	resp, err := s.get(ctx, "manifests", identifier, accept)
	if err != nil {
		return document{}, err
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return document{body: resp.Body, mediaType: types.MediaType(strings.TrimSpace(mediaType))}, nil
}

func (s *registrySource) blob(ctx context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if err := checkHash(digest); err != nil {
		return nil, err
	}
	resp, err := s.get(ctx, "blobs", digest.String(), nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (s *registrySource) get(ctx context.Context, kind, identifier string, accept []string) (*http.Response, error) {
	repository := s.ref.Context()
	u := url.URL{
		Scheme: s.scheme, Host: repository.RegistryStr(),
		Path: "/v2/" + repository.RepositoryStr() + "/" + kind + "/" + identifier,
	}
	return s.fetch(ctx, &u, accept)
}

func (s *registrySource) fetch(ctx context.Context, u *url.URL, accept []string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	// Blobs are hashed as they are stored; nothing may unpack them on the way.
	req.Header.Set("Accept-Encoding", "identity")
	if len(accept) > 0 {
		req.Header.Set("Accept", strings.Join(slices.Clone(accept), ","))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		err = errors.Join(err, resp.Body.Close())
		if resp.StatusCode == http.StatusNotFound {
			return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return nil, err
	}
	return resp, nil
}
