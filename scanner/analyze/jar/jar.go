// Package jar reads Java archives: which Maven artifacts a jar, war, ear or par
// is and contains, also in archives within it. An archive says so in
// pom.properties; one that does not is identified by its manifest, its SHA-1 and
// its name, for which there is an index.
package jar

import (
	"errors"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	maven "github.com/masahiro331/go-mvn-version"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

const (
	// maxArchive is the largest archive that is read: a zip needs random access,
	// so it is held in memory. A larger one is reported as a problem.
	maxArchive = 96 << 20
	// maxNested bounds the archives that are unpacked out of others at a time.
	maxNested = 32 << 20
)

// Artifact names a Maven artifact.
type Artifact struct{ GroupID, ArtifactID, Version string }

func (a Artifact) complete() bool { return a.GroupID != "" && a.ArtifactID != "" && a.Version != "" }

// Index knows the artifacts of Maven's central repository.
type Index interface {
	// Exists reports whether the group has published the artifact.
	Exists(groupID, artifactID string) (bool, error)
	// BySHA1 returns the artifact of an archive.
	BySHA1(sum []byte) (Artifact, bool, error)
	// GroupOf guesses the group of an artifact.
	GroupOf(artifactID, version string) (string, bool, error)
}

// Analyzer recognises Java archives.
type Analyzer struct {
	// Index identifies archives that do not say what they are. Without one, what
	// the manifest says is believed.
	Index Index
}

var _ analyze.Streamer = Analyzer{}

// Name implements analyze.Analyzer. What an archive is depends on the index, so
// that analyses with and without one are kept apart.
func (a Analyzer) Name() string {
	if a.Index == nil {
		return "jar"
	}
	return "jar+index"
}

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 2 }

// Streams implements analyze.Streamer.
func (Analyzer) Streams() bool { return true }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	switch strings.ToLower(path.Ext(f.Path)) {
	case ".jar", ".war", ".ear", ".par":
		return true
	}
	return false
}

// Begin implements analyze.Analyzer.
func (a Analyzer) Begin() analyze.Run { return &run{index: a.Index} }

type run struct {
	index Index
	sets  []inventory.SourceSet
	total int
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	held, err := spool.HoldWithScratch(body, f.Size, maxArchive, maxNested, "java_archive_bytes")
	if err != nil {
		return err
	}
	a := &archive{index: r.index, scratch: held.Scratch()}
	err = a.read(f.Path, held.Bytes(), 0)
	err = errors.Join(err, a.problem, held.Close())
	r.total += len(a.found)
	if tooMany := limit.Check("java_packages", analyze.MaxPackages, int64(r.total)); tooMany != nil {
		return errors.Join(err, tooMany)
	}
	set := inventory.PackageSet{Ecosystem: inventory.Java, Packages: packagesOf(a.found, f.Path)}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// located is an artifact and the path of the archive that is or contains it.
type located struct {
	Artifact
	path string
}

// packagesOf drops what was found twice in the same archive: "2.17" and "2.17.0"
// are the same version.
func packagesOf(found []located, source string) []inventory.Package {
	type place struct{ name, path string }
	versions := map[place][]maven.Version{}
	var packages []inventory.Package
	for _, a := range found {
		p := inventory.Package{Name: a.GroupID + ":" + a.ArtifactID, Version: a.Version}
		if a.path != source {
			p.Path = a.path
		}
		at := place{p.Name, a.path}
		version, err := maven.NewVersion(a.Version)
		if err == nil && slices.ContainsFunc(versions[at], func(v maven.Version) bool { return v.Equal(version) }) {
			continue
		}
		if len(versions[at]) < maxSameArtifact {
			versions[at] = append(versions[at], version)
		}
		packages = append(packages, p)
	}
	return packages
}

// maxSameArtifact bounds how many versions of an artifact in the same archive are
// compared with each other.
const maxSameArtifact = 100

var fileName = regexp.MustCompile(`^([a-zA-Z0-9._-]*[^-*])-(\d\S*(?:-SNAPSHOT)?).jar$`)

// fromFileName reads "spring-core-5.3.4-SNAPSHOT.jar". There is no group in it.
func fromFileName(file string) Artifact {
	m := fileName.FindStringSubmatch(path.Base(file))
	if m == nil {
		return Artifact{}
	}
	return Artifact{ArtifactID: m[1], Version: m[2]}
}
