package report

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/muster-sec/muster/scanner/purl"
)

func (i Image) trivyMetadata(ended bool) trivyMetadata {
	m := trivyMetadata{ImageID: i.Image.ImageID, ImageConfig: i.config()}
	if i.OS.Family != "" {
		m.OS = &trivyOS{Family: i.OS.Family, Name: i.OS.Version, EOSL: ended}
	}
	for n, l := range i.Image.Layers {
		m.DiffIDs = append(m.DiffIDs, l.DiffID)
		layer := i.trivyLayer(n)
		layer.Size = l.Unpacked
		m.Size += l.Unpacked
		m.Layers = append(m.Layers, layer)
	}
	if repository, tag := purl.Repository(i.Image.Reference); repository != "" {
		if tag != "" {
			m.RepoTags = []string{repository + ":" + tag}
		}
		m.RepoDigests = []string{repository + "@" + i.Image.Digest}
	}
	return m
}

func (i Image) trivyLayer(n int) trivyLayer {
	if n < 0 || n >= len(i.Image.Layers) {
		return trivyLayer{}
	}
	l := i.Image.Layers[n]
	return trivyLayer{Digest: l.Digest, DiffID: l.DiffID}
}

// config is the image's configuration as far as inventories keep it.
func (i Image) config() v1.ConfigFile {
	platform, _ := v1.ParsePlatform(i.Image.Platform)
	if platform == nil {
		platform = &v1.Platform{}
	}
	c := v1.ConfigFile{
		Architecture: platform.Architecture, OS: platform.OS, Variant: platform.Variant, Author: i.Image.Author,
		Created: v1.Time{Time: timeOf(i.Image.Created)}, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
		Config: v1.Config{
			User: i.Image.User, Env: i.Image.Env, Entrypoint: i.Image.Entrypoint, Cmd: i.Image.Cmd, Labels: i.Image.Labels,
			WorkingDir: i.Image.WorkingDir, StopSignal: i.Image.StopSignal, ExposedPorts: setOf(i.Image.Ports), Volumes: setOf(i.Image.Volumes),
		},
	}
	for _, l := range i.Image.Layers {
		if hash, err := v1.NewHash(l.DiffID); err == nil {
			c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, hash)
		}
	}
	for _, h := range i.Image.History {
		c.History = append(c.History, v1.History{
			Author: h.Author, Created: v1.Time{Time: timeOf(h.Created)}, CreatedBy: h.CreatedBy, Comment: h.Comment, EmptyLayer: h.Empty,
		})
	}
	return c
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func setOf(words []string) map[string]struct{} {
	if len(words) == 0 {
		return nil
	}
	set := map[string]struct{}{}
	for _, w := range words {
		set[w] = struct{}{}
	}
	return set
}
