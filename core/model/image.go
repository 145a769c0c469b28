package model

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// ImageStatus is how far an image has come; the strings are NeuVector's.
type ImageStatus string

// The states of an image.
const (
	ImageScheduled   ImageStatus = "scheduled"
	ImageScanning    ImageStatus = "scanning"
	ImageFinished    ImageStatus = "finished"
	ImageFailed      ImageStatus = "failed"
	ImageUnsupported ImageStatus = "unsupported"
)

// Image is one image manifest of one platform. Its identity is the digest.
type Image struct {
	Digest   Digest            `json:"digest"`
	ImageID  Digest            `json:"image_id,omitempty"` // digest of the image's configuration
	Platform Platform          `json:"platform"`
	Size     int64             `json:"size,omitempty"` // compressed bytes of all layers
	Created  time.Time         `json:"created,omitzero"`
	Author   string            `json:"author,omitempty"`
	User     string            `json:"user,omitempty"`
	Env      []string          `json:"env,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	History  []string          `json:"history,omitempty"` // commands, oldest first
	Layers   []Layer           `json:"layers,omitempty"`  // oldest first
	OS       OS                `json:"os"`
	Status   ImageStatus       `json:"status"`
	Reason   string            `json:"reason,omitempty"` // why failed or unsupported
	// Attached says that it is unsupported because an index says so: whoever writes
	// an index may name any digest in it, so that is no reason not to look at one
	// that is listed by itself.
	Attached  bool      `json:"attached,omitempty"`
	ScannedAt time.Time `json:"scanned_at,omitzero"`
}

// Chains are the chain ids (OCI image specification, config.md) of the image's
// first layer, its first two, and so on; none when a diff id is not known.
func (i Image) Chains() []string {
	chains := make([]string, 0, len(i.Layers))
	for n, l := range i.Layers {
		switch {
		case l.DiffID == "":
			return nil
		case n == 0:
			chains = append(chains, string(l.DiffID))
		default:
			sum := sha256.Sum256([]byte(chains[n-1] + " " + string(l.DiffID)))
			chains = append(chains, "sha256:"+hex.EncodeToString(sum[:]))
		}
	}
	return chains
}

// Layer is one layer of an image.
type Layer struct {
	Digest  Digest `json:"digest"`
	DiffID  Digest `json:"diff_id,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Command string `json:"command,omitempty"`
}

// OS is the distribution found in an image; both empty when there is none.
type OS struct {
	Family  string `json:"family,omitempty"`  // "alpine", "debian", …
	Version string `json:"version,omitempty"` // as the distribution writes it
}

// String is "family version".
func (o OS) String() string { return strings.TrimSpace(o.Family + " " + o.Version) }

// RunsAsRoot says whether the configured user is root or unset.
func (i Image) RunsAsRoot() bool {
	user, _, _ := strings.Cut(i.User, ":")
	return user == "" || user == "0" || user == "root"
}

// Tag is a pointer from a name to a digest, as a registry last showed it.
type Tag struct {
	Registry   string `json:"registry"`   // the registry's name here
	Host       string `json:"host"`       // host[:port] of its URL, lower case: what an image reference begins with
	Repository string `json:"repository"` // without the host
	// Tag is UntaggedTag(Digest) for a manifest that the registry shows without one.
	Tag    string    `json:"tag"`
	Digest Digest    `json:"digest"` // an image or an index
	SeenAt time.Time `json:"seen_at,omitzero"`
}

// UntaggedTag stands for the tag of a manifest without one, so that it has a
// place among the tags of its repository. No tag begins with "@".
func UntaggedTag(d Digest) string { return "@" + string(d) }

// Untagged says that the tag stands for a manifest without one.
func (t Tag) Untagged() bool { return strings.HasPrefix(t.Tag, "@") }

// Name is HOST/REPOSITORY:TAG, or …@DIGEST for a pointer without a tag.
func (t Tag) Name() string {
	if t.Tag == "" || t.Untagged() {
		return t.Host + "/" + t.Repository + "@" + string(t.Digest)
	}
	return t.Host + "/" + t.Repository + ":" + t.Tag
}

// Index is a multi-platform image: its digest and its children.
type Index struct {
	Digest   Digest       `json:"digest"`
	Children []IndexChild `json:"children"`
}

// IndexChild is one image of an index.
type IndexChild struct {
	Digest   Digest   `json:"digest"`
	Platform Platform `json:"platform"`
}

// ImageSummary is a row of an image list.
type ImageSummary struct {
	Image
	Origin   Origin
	Tags     []Tag
	Verdicts []Verdict // own scan first, then CI results, newest first
}

// ImageReport is everything known about one image here. All but the findings is
// empty where the inventory has not arrived.
type ImageReport struct {
	ImageSummary
	Findings []ReportedFinding
	Packages []Package
	Gaps     []Gap     // what our own scan could not judge
	Problems []Problem // files that could not be read
	Secrets  []Sighting
	SetIDs   []Sighting
	Checks   []Check
	Base     *BaseImage // nil when nothing tells
}

// ReportedFinding is a finding with who reported it.
type ReportedFinding struct {
	Finding
	Source   Source
	Producer string // CI results only: tool and version
	InBase   bool   // the base image brought the package
}

// Problem is a file of an image that could not be read.
type Problem struct {
	Path, Analyzer, Reason string
}

// Sighting is a noteworthy file of an image that is no package.
type Sighting struct {
	Path     string
	Line     int    // 0 where there is none
	Rule     string // what was recognised
	Title    string
	Evidence string // a secret masked
	Layer    Digest // diff id; empty for the image's configuration
	Deleted  bool   // a layer above deletes it; whoever has the image has it still
}

// Check is a check of how an image is built.
type Check struct {
	ID, Profile, Level, Description, Remediation string
	Messages                                     []string
}

// BaseImage is the image that another one was built on.
type BaseImage struct {
	Name     string
	Digest   Digest
	Evidence string // layers, labels or history
	Layers   int    // how many of the image's layers are the base's; 0: not known
}

// Package is one installed package of an image.
type Package struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Type          string `json:"type"` // ecosystem: "alpine", "debian", "npm", …
	SourceName    string `json:"source_name,omitempty"`
	SourceVersion string `json:"source_version,omitempty"`
	Arch          string `json:"arch,omitempty"`
	Path          string `json:"path,omitempty"`
	Layer         Digest `json:"layer,omitempty"` // diff id
	PURL          string `json:"purl,omitempty"`  // package URL, where a document tells it
}
