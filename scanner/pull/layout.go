package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/muster-sec/muster/scanner/limit"
)

// refName is the annotation that names an entry of an OCI layout's index.
const refName = "org.opencontainers.image.ref.name"

// layoutSource reads an OCI image layout, a folder.
type layoutSource struct {
	path   layout.Path
	name   string
	limits limit.Limits
}

// openLayout takes FOLDER[:NAME]. A folder's own name may contain colons: the
// longest prefix that is a folder counts.
func openLayout(ref string, o Options) (source, error) {
	folder, name := ref, ""
	for {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			break
		}
		i := strings.LastIndexByte(folder, ':')
		if i < 0 {
			return nil, fmt.Errorf("%w: no folder %s", ErrNotFound, ref)
		}
		folder, name = ref[:i], ref[i+1:]
	}
	path, err := layout.FromPath(folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not an OCI layout: %w", ErrNotFound, folder, err)
	}
	return &layoutSource{path: path, name: name, limits: o.Limits}, nil
}

// root finds the entry with the name, or the only entry when there is no name.
func (s *layoutSource) root(ctx context.Context) (document, error) {
	f, err := os.Open(filepath.Join(string(s.path), "index.json"))
	if err != nil {
		return document{}, err
	}
	raw, _, err := load(document{body: f}, "manifest_bytes", s.limits.ManifestBytes)
	if err != nil {
		return document{}, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return document{}, fmt.Errorf("%w: index.json: %w", ErrMalformed, err)
	}
	var names []string
	for _, d := range index.Manifests {
		name := d.Annotations[refName]
		if name == s.name || s.name == "" && len(index.Manifests) == 1 {
			doc, err := s.manifest(ctx, d.Digest)
			doc.mediaType = d.MediaType
			return doc, err
		}
		names = append(names, name)
	}
	if s.name == "" {
		return document{}, fmt.Errorf("%w: the layout holds %d images, say which: oci:FOLDER:NAME", ErrReference, len(names))
	}
	return document{}, fmt.Errorf("%w: no entry %q in the layout; there are %s", ErrNotFound, s.name, some(names))
}

func (s *layoutSource) manifest(ctx context.Context, digest v1.Hash) (document, error) {
	body, err := s.blob(ctx, digest)
	return document{body: body, digest: digest}, err
}

func (s *layoutSource) blob(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if err := checkHash(digest); err != nil {
		return nil, err
	}
	body, err := s.path.Blob(digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: blob %s", ErrNotFound, digest)
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

// some is the first names of a list, and how many more there are.
func some(names []string) string {
	const shown = 10
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
