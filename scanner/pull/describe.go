package pull

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/muster-sec/muster/scanner/inventory"
)

// Describe returns the image's identity and configuration as a value of its own.
func (i *Image) Describe() inventory.Image {
	c := i.Config
	result := inventory.Image{
		Reference: i.Reference, Digest: i.Digest.String(), ImageID: i.Manifest.Config.Digest.String(),
		MediaType: string(i.MediaType), Platform: platformOf(c), Size: i.Size + i.Manifest.Config.Size,
		Created: timeOf(c.Created), Author: c.Author, User: c.Config.User, Env: c.Config.Env,
		Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Labels: c.Config.Labels,
		WorkingDir: c.Config.WorkingDir, StopSignal: c.Config.StopSignal,
		Ports: slices.Sorted(maps.Keys(c.Config.ExposedPorts)), Volumes: slices.Sorted(maps.Keys(c.Config.Volumes)),
		Healthcheck: healthcheck(c.Config.Healthcheck), Layers: []inventory.Layer{},
	}
	var commands []string
	for _, h := range c.History {
		result.History = append(result.History, inventory.HistoryStep{
			Created: timeOf(h.Created), CreatedBy: h.CreatedBy, Author: h.Author, Comment: h.Comment, Empty: h.EmptyLayer,
		})
		if !h.EmptyLayer {
			commands = append(commands, h.CreatedBy)
		}
	}
	for n, l := range i.Manifest.Layers {
		described := inventory.Layer{Digest: l.Digest.String(), DiffID: c.RootFS.DiffIDs[n].String(), Size: l.Size}
		// A history that does not tell of every layer is not to be trusted about any.
		if len(commands) == len(i.Manifest.Layers) {
			described.CreatedBy = commands[n]
		}
		result.Layers = append(result.Layers, described)
		result.Size += l.Size
	}
	return result
}

// healthcheck reports whether there is a check; ["NONE"] takes one away.
func healthcheck(h *v1.HealthConfig) bool {
	return h != nil && len(h.Test) > 0 && h.Test[0] != "NONE"
}

func platformOf(c v1.ConfigFile) string {
	words := []string{cmp.Or(c.OS, "unknown"), cmp.Or(c.Architecture, "unknown")}
	if c.Variant != "" {
		words = append(words, c.Variant)
	}
	return strings.Join(words, "/")
}

func timeOf(t v1.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC()
	return &utc
}
