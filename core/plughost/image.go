package plughost

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// maxImage is the size in bytes that a plugin's executable may have. It is
// copied into memory, so this is no formality.
const maxImage = 256 << 20

// executable says which file to run: where it lies and what it must contain.
type executable struct {
	dir  string // of all plugins; empty: anywhere
	path string // absolute
	sum  string // SHA-256 in hexadecimal; empty skips the comparison
}

// verify reads the file once and compares it with its checksum.
func (e executable) verify() error { return e.copyTo(io.Discard) }

// copyTo writes the content of the file to w and compares what it wrote with
// the checksum: w holds what was declared, or there is an error, whatever
// happens to the file meanwhile.
func (e executable) copyTo(w io.Writer) (err error) {
	file, err := e.open()
	if err != nil {
		return fmt.Errorf("opening the executable: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := e.inspect(file); err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, hash), io.LimitReader(file, maxImage+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading the executable: %w", err)
	case n > maxImage: // it grew
		return fmt.Errorf("%s has more than %d bytes, which is the limit", e.path, int64(maxImage))
	case e.sum == "":
		return nil
	}
	want, err := hex.DecodeString(e.sum)
	if err != nil {
		return fmt.Errorf("sha256: %w", err)
	}
	if got := hash.Sum(nil); subtle.ConstantTimeCompare(got, want) != 1 {
		return fmt.Errorf("%w: %s has %x, declared is %x; if the file is the one you mean, change the declaration",
			ErrChecksum, e.path, got, want)
	}
	return nil
}

// open opens the file. Below a plugin folder, links that lead out of it are
// not followed. It does not wait for the writer of a pipe.
func (e executable) open() (*os.File, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	if e.dir == "" {
		return os.OpenFile(e.path, flags, 0)
	}
	name, err := filepath.Rel(e.dir, e.path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(e.dir)
	if err != nil {
		return nil, fmt.Errorf("the plugin folder: %w", err)
	}
	file, err := root.OpenFile(name, flags, 0)
	return file, errors.Join(err, root.Close())
}

func (e executable) inspect(file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("looking at the executable: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", e.path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not executable: chmod 0755 it", e.path)
	case info.Size() > maxImage:
		return fmt.Errorf("%s has %d bytes, the limit is %d", e.path, info.Size(), int64(maxImage))
	default:
		return nil
	}
}

// inside reports whether path lies below dir, by their names alone.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}
