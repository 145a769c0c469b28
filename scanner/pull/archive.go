package pull

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/limit"
)

// archiveSource reads a file that "docker save" wrote: a tar of configurations
// and layers with a manifest.json that lists them. Such a file has no manifests;
// one is made for each image, so that an image has a digest of its own. It is the
// same every time, and not the one that the image has in a registry.
type archiveSource struct {
	file      string
	entries   map[string]archiveEntry
	documents map[v1.Hash][]byte
	blobs     map[v1.Hash]archiveEntry
	image     v1.Hash
}

// archiveEntry is where a file lies in the archive; link is set instead when it
// is the same as another.
type archiveEntry struct {
	offset, size int64
	link         string
}

// saved is one entry of manifest.json.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// openArchive takes FILE[:NAME[:TAG]]. A file's own name may contain colons: the
// longest prefix that is a file counts.
func openArchive(ref string, o Options) (source, error) {
	file, name := ref, ""
	for {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			break
		}
		i := strings.LastIndexByte(file, ':')
		if i < 0 {
			return nil, fmt.Errorf("%w: no file %s", ErrNotFound, ref)
		}
		file, name = ref[:i], ref[i+1:]
	}
	s := &archiveSource{
		file: file, entries: map[string]archiveEntry{},
		documents: map[v1.Hash][]byte{}, blobs: map[v1.Hash]archiveEntry{},
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	err = s.index(f, o.Limits)
	if err == nil {
		err = s.choose(f, name, o.Limits)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("pull: archive %s: %w", file, err)
	}
	return s, nil
}

// index remembers where the archive's files lie, without reading them.
func (s *archiveSource) index(f *os.File, limits limit.Limits) error {
	tr := tar.NewReader(f)
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("%w: not a tar: %w", ErrMalformed, err)
		}
		if err := limit.Check("archive_entries", int64(limits.Entries), int64(len(s.entries)+1)); err != nil {
			return err
		}
		name := path.Clean(hdr.Name)
		switch hdr.Typeflag {
		case tar.TypeReg:
			offset, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			s.entries[name] = archiveEntry{offset: offset, size: hdr.Size}
		case tar.TypeSymlink:
			s.entries[name] = archiveEntry{link: path.Join(path.Dir(name), hdr.Linkname)}
		case tar.TypeLink:
			s.entries[name] = archiveEntry{link: path.Clean(hdr.Linkname)}
		}
	}
}

// find follows links: layers that occur twice are stored once.
func (s *archiveSource) find(name string) (archiveEntry, error) {
	at := path.Clean(name)
	for range 10 {
		e, ok := s.entries[at]
		if !ok {
			break
		}
		if e.link == "" {
			return e, nil
		}
		at = e.link
	}
	return archiveEntry{}, fmt.Errorf("%w: the archive has no file %.200s", ErrNotFound, name)
}

func (s *archiveSource) read(f *os.File, name, bound string, max int64) ([]byte, error) {
	e, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return limit.ReadAll(io.NewSectionReader(f, e.offset, e.size), bound, max)
}

// choose finds the image with the name, or the only one, and makes its manifest.
func (s *archiveSource) choose(f *os.File, name string, limits limit.Limits) error {
	raw, err := s.read(f, "manifest.json", "manifest_bytes", limits.ManifestBytes)
	if err != nil {
		return err
	}
	var images []saved
	if err := json.Unmarshal(raw, &images); err != nil {
		return fmt.Errorf("%w: manifest.json: %w", ErrMalformed, err)
	}
	if name == "" && len(images) != 1 {
		return fmt.Errorf("%w: it holds %d images, say which: docker-archive:FILE:NAME:TAG", ErrReference, len(images))
	}
	for _, image := range images {
		if name == "" || slices.ContainsFunc(image.RepoTags, func(tag string) bool { return sameTag(tag, name) }) {
			return s.describe(f, image, limits)
		}
	}
	return fmt.Errorf("%w: no image %q in it", ErrNotFound, name)
}

// sameTag compares names, of which either may have no tag.
func sameTag(a, b string) bool { return withTag(a) == withTag(b) }

func withTag(name string) string {
	if strings.LastIndexByte(name, ':') > strings.LastIndexByte(name, '/') {
		return name
	}
	return name + ":latest"
}

// describe makes the manifest of an image.
func (s *archiveSource) describe(f *os.File, image saved, limits limit.Limits) error {
	config, err := s.read(f, image.Config, "config_bytes", limits.ConfigBytes)
	if err != nil {
		return err
	}
	var c v1.ConfigFile
	if err := json.Unmarshal(config, &c); err != nil {
		return fmt.Errorf("%w: configuration: %w", ErrMalformed, err)
	}
	if len(c.RootFS.DiffIDs) != len(image.Layers) {
		return fmt.Errorf("%w: configuration names %d layers, manifest.json has %d", ErrMalformed, len(c.RootFS.DiffIDs), len(image.Layers))
	}
	if err := limit.Check("layers", int64(limits.Layers), int64(len(image.Layers))); err != nil {
		return err
	}
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.DockerManifestSchema2,
		Config: v1.Descriptor{MediaType: types.DockerConfigJSON, Size: int64(len(config)), Digest: hashOf(config)},
		Layers: []v1.Descriptor{},
	}
	s.documents[m.Config.Digest] = config
	for i, name := range image.Layers {
		d, err := s.layer(f, name, c.RootFS.DiffIDs[i])
		if err != nil {
			return err
		}
		m.Layers = append(m.Layers, d)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	s.image = hashOf(raw)
	s.documents[s.image] = raw
	return nil
}

// layer describes a layer. One that is a plain tar is named by the diff ID, which
// is proved when it is read; the name of any other has to be computed.
func (s *archiveSource) layer(f *os.File, name string, diffID v1.Hash) (v1.Descriptor, error) {
	e, err := s.find(name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: types.DockerUncompressedLayer, Size: e.size, Digest: diffID}
	magic := make([]byte, 4)
	if _, err := f.ReadAt(magic[:min(4, e.size)], e.offset); err != nil {
		return v1.Descriptor{}, fmt.Errorf("%w: layer %.200s: %w", ErrMalformed, name, err)
	}
	if bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) || bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(f, e.offset, e.size)); err != nil {
			return v1.Descriptor{}, err
		}
		d.MediaType = types.DockerLayer
		d.Digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	}
	s.blobs[d.Digest] = e
	return d, nil
}

func (s *archiveSource) root(ctx context.Context) (document, error) { return s.manifest(ctx, s.image) }

func (s *archiveSource) manifest(_ context.Context, digest v1.Hash) (document, error) {
	raw, ok := s.documents[digest]
	if !ok {
		return document{}, fmt.Errorf("%w: manifest %s", ErrNotFound, digest)
	}
	return document{body: io.NopCloser(bytes.NewReader(raw)), mediaType: types.DockerManifestSchema2, digest: digest}, nil
}

func (s *archiveSource) blob(_ context.Context, digest v1.Hash) (io.ReadCloser, error) {
	if raw, ok := s.documents[digest]; ok {
		return io.NopCloser(bytes.NewReader(raw)), nil
	}
	e, ok := s.blobs[digest]
	if !ok {
		return nil, fmt.Errorf("%w: blob %s", ErrNotFound, digest)
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, e.offset, e.size), f}, nil
}
