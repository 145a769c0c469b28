package inventory

import "time"

// Image is the identity and the configuration of one image for one platform.
type Image struct {
	// Reference is what the caller asked for.
	Reference string `json:"reference"`
	// Digest is the manifest's digest: the image's name everywhere.
	Digest string `json:"digest"`
	// ImageID is the digest of the image's configuration.
	ImageID string `json:"image_id"`
	// MediaType is the manifest's media type.
	MediaType string `json:"media_type"`
	// Platform is "os/architecture" or "os/architecture/variant".
	Platform string `json:"platform"`
	// Size is the sum of the sizes of manifest, configuration and layers as stored.
	Size int64 `json:"size"`
	// Created is nil when the image does not say.
	Created    *time.Time `json:"created,omitempty"`
	Author     string     `json:"author,omitempty"`
	User       string     `json:"user,omitempty"`
	Env        []string   `json:"env,omitempty"`
	Entrypoint []string   `json:"entrypoint,omitempty"`
	Cmd        []string   `json:"cmd,omitempty"`
	WorkingDir string     `json:"working_dir,omitempty"`
	StopSignal string     `json:"stop_signal,omitempty"`
	// Ports ("80/tcp") and Volumes are what the image exposes, sorted.
	Ports   []string          `json:"ports,omitempty"`
	Volumes []string          `json:"volumes,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Healthcheck is set when the image says how to check its health.
	Healthcheck bool          `json:"healthcheck,omitempty"`
	History     []HistoryStep `json:"history,omitempty"`
	// Layers are the layers from the base upwards.
	Layers []Layer `json:"layers"`
}

// HistoryStep is one step of an image's build history.
type HistoryStep struct {
	Created   *time.Time `json:"created,omitempty"`
	CreatedBy string     `json:"created_by,omitempty"`
	Author    string     `json:"author,omitempty"`
	Comment   string     `json:"comment,omitempty"`
	// Empty is set for a step that made no layer.
	Empty bool `json:"empty,omitempty"`
}

// Layer is one layer of an image.
type Layer struct {
	// Digest is the digest of the blob as stored, DiffID that of the unpacked tar.
	Digest string `json:"digest"`
	DiffID string `json:"diff_id"`
	Size   int64  `json:"size"`
	// Unpacked is the size of the layer's tar; zero until it was read.
	Unpacked int64 `json:"unpacked,omitempty"`
	// CreatedBy is the history step that made the layer, if the history tells.
	CreatedBy string `json:"created_by,omitempty"`
}

// OS is the operating system of an image. Family is empty when none was found.
type OS struct {
	Family  string `json:"family,omitempty"`
	Version string `json:"version,omitempty"`
	// Repository is the release of the configured package repositories where it
	// is known (Alpine); it decides over Version which advisories apply.
	Repository string `json:"repository,omitempty"`
	// Extended is set when extended security maintenance is enabled (Ubuntu).
	Extended bool `json:"extended,omitempty"`
}

// Inventory is what an image contains once its layers lie on top of each other.
// It refers to package sets by name and is immutable.
type Inventory struct {
	Image Image `json:"image"`
	OS    OS    `json:"os"`
	// Sources are the package sources visible in the image, sorted by path.
	Sources []Source `json:"sources"`
	// Sought are the kinds of sightings that the image was looked through for.
	Sought []SightingKind `json:"sought,omitempty"`
	// Sightings are noteworthy files of all layers, sorted by path and layer.
	Sightings []PlacedSighting `json:"sightings,omitempty"`
	// Problems are files that could not be understood, of all layers.
	Problems []Problem `json:"problems,omitempty"`
}

// Source is one visible package source: which set, where, and from which layer.
type Source struct {
	Set  SetID  `json:"set"`
	Path string `json:"path"`
	// Layer is the index in Image.Layers of the layer that has this set.
	Layer int `json:"layer"`
	// Origins has, when it is not empty, one entry for each package of the set:
	// the index of the layer in which that package first appeared at this
	// version. A package database is rewritten by every layer that installs
	// something, and its older content came from below.
	Origins []int `json:"origins,omitempty"`
}

// Origin returns the index of the layer that brought the i-th package of the set.
func (s Source) Origin(i int) int {
	if i >= 0 && i < len(s.Origins) {
		return s.Origins[i]
	}
	return s.Layer
}
