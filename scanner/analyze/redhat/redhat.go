// Package redhat reads what Red Hat's build system leaves in a layer: the content
// sets (repositories) that it was built from, or in older images the name of the
// build. They decide which of Red Hat's advisories concern the layer's packages.
package redhat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

const (
	// maxBytes bounds one file; real ones have a few kilobytes.
	maxBytes = 1 << 20
	// maxContentSets bounds what one manifest may name.
	maxContentSets = 1000
	dockerfileDir  = "root/buildinfo/"
)

// errLabels is reported for a Dockerfile without the labels of a build.
var errLabels = errors.New("redhat: no labels of component and architecture in the Dockerfile")

// Analyzer recognises content manifests and the Dockerfiles of builds.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "redhat" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 1 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	dir, base := path.Split(f.Path)
	switch dir {
	case "root/buildinfo/content_manifests/", "usr/share/buildinfo/":
		return path.Ext(base) == ".json"
	case dockerfileDir:
		return strings.HasPrefix(base, "Dockerfile")
	}
	return false
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

type run struct {
	build inventory.Build
	found bool
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	text, err := limit.ReadAll(body, "build_info_bytes", maxBytes)
	if err != nil {
		return fmt.Errorf("redhat: read: %w", err)
	}
	if path.Ext(f.Path) == ".json" {
		return r.manifest(text)
	}
	component, arch := labels(string(text))
	if component == "" || arch == "" {
		return errLabels
	}
	r.build.Name = component + "-" + versionRelease(f.Path) + "-" + arch
	r.found = true
	return nil
}

func (r *run) manifest(text []byte) error {
	var m struct {
		ContentSets []string `json:"content_sets"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("redhat: content manifest: %w", err)
	}
	if err := limit.Check("content_sets", maxContentSets, int64(len(m.ContentSets))); err != nil {
		return err
	}
	for _, set := range m.ContentSets {
		if set != "" && !strings.ContainsAny(set, ",/ ") {
			r.build.ContentSets = append(r.build.ContentSets, strings.ToValidUTF8(set, "\uFFFD"))
			r.found = true
		}
	}
	return nil
}

func (r *run) Result() analyze.Result {
	if !r.found {
		return analyze.Result{}
	}
	return analyze.Result{Build: &r.build}
}

// versionRelease cuts "Dockerfile-ubi8-8.4-206" down to "8.4-206".
func versionRelease(file string) string {
	release := strings.LastIndexByte(file, '-')
	if release < 0 {
		return ""
	}
	return file[strings.LastIndexByte(file[:release], '-')+1:]
}
