// Package sampleimage builds small container images in memory, out of the files
// that scanners read: for tests, and for a demo that must not need the network.
// Equal arguments give equal digests.
package sampleimage

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is one entry of a layer. With Link it is a symbolic link, with Hard a
// hard link, with a Path that ends in "/" a folder, else a regular file.
type File struct {
	Path string
	Body string
	Link string
	Hard string
	// Mode is the permissions, with the bits of a tar header; 0 means 0644 for a
	// file and 0755 for a folder.
	Mode int64
}

// Layer is the entries of a layer, in order.
type Layer []File

// Spec describes an image.
type Spec struct {
	// Layers from the base upwards. An image may share layers with another by
	// having the same ones.
	Layers []Layer
	// Compression of the layers; empty means gzip. Zstandard and none are the others.
	Compression compression.Compression
	// Platform is the image's; the zero value means linux/amd64.
	Platform v1.Platform
	// Created is the build time of the image and of its history.
	Created time.Time
	// Author, User, Env and Labels go into the configuration.
	Author, User string
	Env          []string
	Labels       map[string]string
}

// Build returns an image.
func Build(s Spec) (v1.Image, error) {
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	for n, l := range s.Layers {
		layer, err := packed(l, s.Compression)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{
			Layer: layer,
			History: v1.History{
				Author: s.Author, Created: v1.Time{Time: s.Created}, CreatedBy: fmt.Sprintf("layer %d of %d", n+1, len(s.Layers)),
			},
		})
		if err != nil {
			return nil, fmt.Errorf("sampleimage: append layer: %w", err)
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("sampleimage: configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = "linux", "amd64", s.Platform.Variant
	if s.Platform.OS != "" {
		config.OS, config.Architecture = s.Platform.OS, s.Platform.Architecture
	}
	config.Created, config.Author = v1.Time{Time: s.Created}, s.Author
	config.Config.User, config.Config.Env, config.Config.Labels = s.User, s.Env, s.Labels
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, fmt.Errorf("sampleimage: configuration: %w", err)
	}
	return image, nil
}

// Index returns an index of images, each under its own platform, together with
// an attestation of the first, as BuildKit adds it.
func Index(images ...v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var first v1.Hash
	for n, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("sampleimage: configuration: %w", err)
		}
		if n == 0 {
			if first, err = image.Digest(); err != nil {
				return nil, fmt.Errorf("sampleimage: digest: %w", err)
			}
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: config.Platform()},
		})
	}
	attestation, err := Artifact("application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v0.1"}`)
	if err != nil {
		return nil, err
	}
	return mutate.AppendManifests(index, mutate.IndexAddendum{Add: attestation, Descriptor: v1.Descriptor{
		Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{
			"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": first.String(),
		},
	}}), nil
}

// Artifact returns a manifest that is no image: one document of the media type.
func Artifact(mediaType, document string) (v1.Image, error) {
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.MediaType("application/vnd.example.artifact.config.v1+json"))
	image, err := mutate.AppendLayers(image, static.NewLayer([]byte(document), types.MediaType(mediaType)))
	if err != nil {
		return nil, fmt.Errorf("sampleimage: artifact: %w", err)
	}
	return image, nil
}

// Tar returns the plain tar of a layer.
func (l Layer) Tar() ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range l {
		hdr := &tar.Header{Name: f.Path, Mode: 0o644, Size: int64(len(f.Body)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		switch {
		case f.Link != "":
			hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeSymlink, f.Link, 0
		case f.Hard != "":
			hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeLink, f.Hard, 0
		case f.Path[len(f.Path)-1] == '/':
			hdr.Typeflag, hdr.Mode, hdr.Size = tar.TypeDir, 0o755, 0
		}
		if f.Mode != 0 {
			hdr.Mode = f.Mode
		}
		if err := w.WriteHeader(hdr); err != nil {
			return nil, fmt.Errorf("sampleimage: %s: %w", f.Path, err)
		}
		if hdr.Size == 0 {
			continue
		}
		if _, err := io.WriteString(w, f.Body); err != nil {
			return nil, fmt.Errorf("sampleimage: %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("sampleimage: %w", err)
	}
	return buf.Bytes(), nil
}

func packed(l Layer, how compression.Compression) (v1.Layer, error) {
	raw, err := l.Tar()
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	var layer v1.Layer
	switch how {
	case compression.None:
		layer, err = static.NewLayer(raw, types.OCIUncompressedLayer), nil
	case compression.ZStd:
		layer, err = tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayerZStd), tarball.WithCompression(how))
	default:
		layer, err = tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	}
	if err != nil {
		return nil, fmt.Errorf("sampleimage: layer: %w", err)
	}
	return layer, nil
}
