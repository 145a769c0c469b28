package fetch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/vulndb"
)

const (
	// currentLink names the folder of the version in use; to replace the link is
	// the one step that puts database and metadata in place together.
	currentLink   = "current"
	versionPrefix = "version-"
	stagePrefix   = "stage-"
	sourceFile    = "source.json"
	maxSource     = 64 << 10
)

// install lets unpack fill a folder, looks through what it holds, and puts it in
// place. The caller holds the lock.
func (u *Updater) install(s Source, force bool, unpack func(stage string) error) error {
	if err := u.sweep(""); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(u.dir, stagePrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage) //nolint:errcheck // renamed when all went well, swept by the next run else
	if err := unpack(stage); err != nil {
		return err
	}
	db, err := vulndb.Open(filepath.Join(stage, DatabaseFile))
	if err != nil {
		return err
	}
	revision, metadata := db.Revision(), db.Metadata()
	if err := db.Close(); err != nil {
		return err
	}
	if held, err := u.Status(); err == nil && !force && metadata.UpdatedAt.Before(held.Metadata.UpdatedAt) {
		return fmt.Errorf("%w: it is of %s, the one in place of %s", ErrOlder, metadata.UpdatedAt.UTC(), held.Metadata.UpdatedAt.UTC())
	}
	if err := writeSource(stage, s); err != nil {
		return err
	}
	return u.place(stage, versionPrefix+revision)
}

// place gives the staged folder its name and makes the links point at it.
func (u *Updater) place(stage, version string) error {
	if err := os.Chmod(stage, 0o755); err != nil { //nolint:gosec // a database is public
		return err
	}
	target := filepath.Join(u.dir, version)
	if held, err := os.Readlink(filepath.Join(u.dir, currentLink)); err == nil && held == version {
		// The same content again: readers keep the folder that they have open.
		version += "-again"
		target = filepath.Join(u.dir, version)
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	if err := os.Rename(stage, target); err != nil {
		return err
	}
	if err := u.link(currentLink, version); err != nil {
		return err
	}
	for _, name := range []string{vulndb.MetadataFile, DatabaseFile} {
		if err := u.link(name, filepath.Join(currentLink, name)); err != nil {
			return err
		}
	}
	if err := syncFolder(u.dir); err != nil {
		return err
	}
	return u.sweep(version)
}

// link replaces a link, or a file of that name, in one step.
func (u *Updater) link(name, to string) error {
	at := filepath.Join(u.dir, name)
	if held, err := os.Readlink(at); err == nil && held == to {
		return nil
	}
	temporary := at + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(to, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, at)
}

// sweep removes what runs that were cut short left behind and, when keep names
// the version in place, all other versions. A process that still reads one keeps
// its open file.
func (u *Updater) sweep(keep string) error {
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		old := keep != "" && strings.HasPrefix(e.Name(), versionPrefix) && e.Name() != keep
		if !old && !strings.HasPrefix(e.Name(), stagePrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(u.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(dir string) (err error) {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}

func writeSource(dir string, s Source) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sourceFile), append(raw, '\n'), 0o644)
}

// readSource returns nothing for a database that this package did not put there.
func readSource(dir string) (Source, error) {
	f, err := os.Open(filepath.Join(dir, sourceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Source{}, nil
	}
	if err != nil {
		return Source{}, fmt.Errorf("fetch: %w", err)
	}
	defer f.Close()
	raw, err := limit.ReadAll(f, "source_bytes", maxSource)
	if err != nil {
		return Source{}, fmt.Errorf("fetch: read %s: %w", sourceFile, err)
	}
	var s Source
	if err := json.Unmarshal(raw, &s); err != nil {
		return Source{}, fmt.Errorf("fetch: read %s: %w", sourceFile, err)
	}
	return s, nil
}
