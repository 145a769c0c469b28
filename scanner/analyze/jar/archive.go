package jar

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/muster-sec/muster/scanner/limit"
)

const (
	// maxEntries bounds the files of one archive, before its directory is read.
	maxEntries = 150_000
	// maxDepth bounds archives within archives.
	maxDepth = 8
	// maxUnpacked bounds what is unpacked out of one file of a layer, however
	// often its directory names the same bytes.
	maxUnpacked = 512 << 20
	// maxProperties bounds a pom.properties, maxManifest the main section of a
	// manifest: signed archives have one more section for each file.
	maxProperties = 64 << 10
	maxManifest   = 1 << 20
	// maxFound bounds the artifacts of one file of a layer.
	maxFound = 50_000
)

// errMissing is reported for a nested archive that is not what its size says.
var errMissing = errors.New("jar: nested archive ends early")

// archive is the reading of one file of a layer with all archives within it.
type archive struct {
	index Index
	found []located
	// scratch is the memory for nested archives that is not in use.
	scratch  []byte
	unpacked int64
	// problem is a nested archive or a description that could not be read; the
	// others count.
	problem error
}

// content is what matters of one archive.
type content struct {
	manifest manifest
	// own is set when pom.properties describes the archive itself.
	own bool
}

// read reads the archive in data, which is known under a path.
func (a *archive) read(name string, data []byte, depth int) error {
	if err := limit.Check("java_archive_depth", maxDepth, int64(depth)); err != nil {
		return err
	}
	if err := limit.Check("java_archive_entries", maxEntries, limit.ZipEntries(data)); err != nil {
		return err
	}
	directory, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return fmt.Errorf("jar: %w", err)
	}
	var c content
	for _, entry := range directory.File {
		if err := a.entry(name, data, entry, depth, &c); err != nil {
			return err
		}
	}
	if c.own {
		return nil
	}
	own, ok, err := a.identify(name, data, c.manifest)
	if err != nil || !ok {
		return err
	}
	return a.add(own, name)
}

func (a *archive) entry(name string, data []byte, entry *zip.File, depth int, c *content) error {
	switch base := path.Base(entry.Name); {
	case base == "pom.properties":
		text, err := a.text(entry, maxProperties, limit.ReadAll)
		if err != nil {
			return err
		}
		artifact := parseProperties(text)
		if !artifact.complete() {
			return nil
		}
		file := fromFileName(name)
		c.own = c.own || file.ArtifactID == artifact.ArtifactID && file.Version == artifact.Version
		return a.add(artifact, name)
	case base == "MANIFEST.MF":
		text, err := a.text(entry, maxManifest, readMainSection)
		if err != nil {
			return err
		}
		c.manifest = parseManifest(text)
	case isArchive(entry.Name):
		if err := a.nested(name, data, entry, depth); err != nil {
			a.problem = fmt.Errorf("%.200s: %w", entry.Name, err)
			return nil
		}
	}
	return nil
}

func isArchive(name string) bool {
	switch path.Ext(name) {
	case ".jar", ".war", ".ear":
		return true
	}
	return false
}

// nested reads an archive within another. One that is stored as it is needs no
// memory of its own.
func (a *archive) nested(name string, data []byte, entry *zip.File, depth int) error {
	full := path.Join(name, entry.Name)
	if !strings.HasPrefix(full, path.Clean(name)) {
		return nil // it would lie outside of its archive
	}
	size := entry.UncompressedSize64
	if entry.Method == zip.Store && size == entry.CompressedSize64 {
		offset, err := entry.DataOffset()
		if err != nil {
			return fmt.Errorf("jar: %w", err)
		}
		if offset < 0 || uint64(offset) > uint64(len(data)) || size > uint64(len(data))-uint64(offset) {
			return errMissing
		}
		if err := a.charge(int64(size)); err != nil {
			return err
		}
		return a.read(full, data[offset:uint64(offset)+size], depth+1)
	}
	if size > uint64(len(a.scratch)) {
		return &limit.Error{Name: "nested_archive_bytes", Max: int64(len(a.scratch)), Seen: int64(min(size, 1<<62))}
	}
	if err := a.charge(int64(size)); err != nil {
		return err
	}
	body, err := entry.Open()
	if err != nil {
		return fmt.Errorf("jar: %w", err)
	}
	_, err = io.ReadFull(body, a.scratch[:size])
	if err = errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("%w: %w", errMissing, err)
	}
	whole := a.scratch
	a.scratch = whole[size:]
	err = a.read(full, whole[:size], depth+1)
	a.scratch = whole
	return err
}

// text unpacks a small file. One that cannot be read is a problem, and an empty
// text: the archive may say in another what it is.
func (a *archive) text(entry *zip.File, max int64, read func(io.Reader, string, int64) ([]byte, error)) (string, error) {
	body, err := entry.Open()
	if err != nil {
		a.problem = fmt.Errorf("%.200s: %w", entry.Name, err)
		return "", nil
	}
	raw, err := read(body, "java_metadata_bytes", max)
	if err = errors.Join(err, body.Close()); err != nil {
		a.problem = fmt.Errorf("%.200s: %w", entry.Name, err)
		return "", a.charge(max) // it may have cost as much
	}
	return string(raw), a.charge(int64(len(raw)))
}

func (a *archive) charge(n int64) error {
	a.unpacked += n
	return limit.Check("java_unpacked_bytes", maxUnpacked, a.unpacked)
}

func (a *archive) add(artifact Artifact, name string) error {
	a.found = append(a.found, located{artifact, name})
	return limit.Check("java_packages", maxFound, int64(len(a.found)))
}

// identify finds out what an archive is that does not say so in pom.properties.
func (a *archive) identify(name string, data []byte, m manifest) (Artifact, bool, error) {
	said := m.artifact()
	if a.index == nil {
		return said, said.complete(), nil
	}
	if said.complete() {
		// Manifests name vendors and titles; only what exists is an artifact.
		if exists, err := a.index.Exists(said.GroupID, said.ArtifactID); err != nil || exists {
			return said, exists, err
		}
	}
	sum := sha1.Sum(data)
	known, ok, err := a.index.BySHA1(sum[:])
	if err != nil || ok {
		return known, ok, err
	}
	file := fromFileName(name)
	if file.ArtifactID == "" || file.Version == "" {
		return Artifact{}, false, nil
	}
	file.GroupID, ok, err = a.index.GroupOf(file.ArtifactID, file.Version)
	return file, ok, err
}
