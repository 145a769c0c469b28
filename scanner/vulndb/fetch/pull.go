package fetch

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/vulndb"
)

const (
	// layerType is the media type of the artifact's one layer (trivy-db's
	// release workflow).
	layerType = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
	// maxPacked bounds the layer as stored.
	maxPacked = 2 << 30
)

// pull takes the database of one repository.
func (u *Updater) pull(ctx context.Context, repository string, force bool) (changed bool, err error) {
	address, plain := strings.CutPrefix(repository, "http://")
	plain = plain || u.options.PlainHTTP
	ref, err := reference(address, plain)
	if err != nil {
		return false, err
	}
	keychain := u.options.Keychain
	if keychain == nil {
		keychain = authn.NewMultiKeychain()
	}
	image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithAuthFromKeychain(keychain), remote.WithUserAgent(u.options.UserAgent),
		remote.WithTransport(u.transport(plain)), remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
	if err != nil {
		return false, fmt.Errorf("fetch: %s: %w", repository, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return false, fmt.Errorf("fetch: %s: %w", repository, err)
	}
	if !force && u.has(digest.String()) {
		return false, nil
	}
	layer, err := databaseLayer(image)
	if err != nil {
		return false, fmt.Errorf("fetch: %s: %w", repository, err)
	}
	source := Source{Repository: ref.Name(), Digest: digest.String(), At: u.options.Now().UTC().Truncate(time.Second)}
	err = u.install(source, force, func(stage string) error { return u.unpackLayer(ctx, layer, stage) })
	if err != nil {
		return false, fmt.Errorf("fetch: %s: %w", repository, err)
	}
	return true, nil
}

func reference(repository string, plain bool) (name.Reference, error) {
	options := []name.Option{name.WithDefaultTag(fmt.Sprint(vulndb.Schema))}
	if plain {
		options = append(options, name.Insecure)
	}
	ref, err := name.ParseReference(repository, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	return ref, nil
}

// has reports whether the folder holds a good copy of the artifact already.
func (u *Updater) has(digest string) bool {
	s, err := u.Status()
	return err == nil && s.Source.Digest == digest
}

// databaseLayer finds the one layer that is the database.
func databaseLayer(image v1.Image) (v1.Layer, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	if n := len(manifest.Layers); n != 1 {
		return nil, fmt.Errorf("%w: it has %d layers", ErrArtifact, n)
	}
	d := manifest.Layers[0]
	if d.MediaType != layerType {
		return nil, fmt.Errorf("%w: its layer is of type %.100q", ErrArtifact, d.MediaType)
	}
	if err := limit.Check("database_packed_bytes", maxPacked, d.Size); err != nil {
		return nil, err
	}
	return image.LayerByDigest(d.Digest)
}

// unpackLayer streams the layer into the folder stage. Its digest is proved by
// reading it to its end, whatever the archive in it says.
func (u *Updater) unpackLayer(ctx context.Context, layer v1.Layer, stage string) (err error) {
	body, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer body.Close()
	packed := limit.Reader(&ctxReader{ctx, body}, "database_packed_bytes", maxPacked)
	if err := u.unpackArchive(packed, stage); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, packed)
	return err
}

// ctxReader ends a stream with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
