package distribution

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// manifestTypes are the manifests and indexes of both families.
const manifestTypes = string(types.OCIImageIndex) + ", " + string(types.OCIManifestSchema1) + ", " +
	string(types.DockerManifestList) + ", " + string(types.DockerManifestSchema2)

// Resolve asks for a tag's manifest by HEAD, which costs no pull. Registries
// that do not tell the digest then are asked for the manifest itself.
func (c *Client) Resolve(ctx context.Context, repository, tag string) (sdk.Manifest, error) {
	repo, err := c.place.Repository(repository)
	if err != nil {
		return sdk.Manifest{}, err
	}
	ref, err := name.NewTag(repo.Name()+":"+tag, name.StrictValidation)
	if err != nil {
		return sdk.Manifest{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	client, err := c.signIn(ctx, scopeOf(repo))
	if err != nil {
		return sdk.Manifest{}, err
	}
	u := c.place.URL("/v2/" + repo.RepositoryStr() + "/manifests/" + ref.TagStr()).String()
	header, digest, err := manifest(ctx, client, http.MethodHead, u)
	if err == nil && digest == "" {
		header, digest, err = manifest(ctx, client, http.MethodGet, u)
	}
	if err != nil {
		return sdk.Manifest{}, err
	}
	mediaType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return sdk.Manifest{Digest: digest, MediaType: mediaType}, nil
}

// manifest asks for a manifest and returns its digest: of its bytes if they
// were asked for, or else as the registry tells it, empty if it does not.
func manifest(ctx context.Context, client *wire.Client, method, u string) (h http.Header, digest string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, u, nil)
	if err != nil {
		return nil, "", wire.Explain(err)
	}
	req.Header.Set("Accept", manifestTypes)
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if method == http.MethodHead {
		return resp.Header, resp.Header.Get("Docker-Content-Digest"), nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, resp.Body); err != nil {
		return nil, "", wire.Explain(err)
	}
	return resp.Header, "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
}
