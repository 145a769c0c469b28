// Package contexts keeps what a login leaves behind: for every server the
// session token and how its certificate is trusted. It is one JSON file of the
// user's, readable by nobody else, changed under a lock and replaced whole, so
// that several commands at once cannot spoil it. Only the commands use it.
package contexts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrTooOpen says that others may read the file, which holds session tokens.
var ErrTooOpen = errors.New("contexts: the file is readable by others")

// maxSize bounds the file before it is decoded.
const maxSize = 4 << 20

// lockEvery is how often a held lock is tried again.
const lockEvery = 20 * time.Millisecond

// Context is one server: who is logged in there and how it is trusted. With
// neither CA nor Fingerprint the system's roots are.
type Context struct {
	Server      string    `json:"server"` // https://host:port
	Username    string    `json:"username,omitempty"`
	Token       string    `json:"token,omitempty"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	CA          string    `json:"ca,omitempty"`          // PEM
	Fingerprint string    `json:"fingerprint,omitempty"` // SHA-256 of the server's certificate
}

// Set is the whole file.
type Set struct {
	Current  string    `json:"current,omitempty"` // server of the context in use
	Contexts []Context `json:"contexts"`
}

// Find gives the context of a server.
func (s *Set) Find(server string) (Context, bool) {
	i := slices.IndexFunc(s.Contexts, func(c Context) bool { return c.Server == server })
	if i < 0 {
		return Context{}, false
	}
	return s.Contexts[i], true
}

// Put stores a context in place of the one with the same server.
func (s *Set) Put(c Context) {
	s.Remove(c.Server)
	s.Contexts = append(s.Contexts, c)
	slices.SortFunc(s.Contexts, func(a, b Context) int { return strings.Compare(a.Server, b.Server) })
}

// Remove forgets a server; the current choice stays.
func (s *Set) Remove(server string) {
	s.Contexts = slices.DeleteFunc(s.Contexts, func(c Context) bool { return c.Server == server })
}

// File is the file that keeps the contexts. It is safe for concurrent use by
// several processes.
type File struct {
	path string
}

// At names the file; nothing is read or made yet.
func At(path string) File { return File{path: path} }

// Path is where the file lies.
func (f File) Path() string { return f.path }

// Load reads the file; one that does not exist yet is an empty set. It refuses
// a file that others may read (ErrTooOpen).
func (f File) Load() (Set, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Set{}, nil
	}
	if err != nil {
		return Set{}, fmt.Errorf("contexts: %w", err)
	}
	defer file.Close() //nolint:errcheck // opened for reading
	info, err := file.Stat()
	if err != nil {
		return Set{}, fmt.Errorf("contexts: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Set{}, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", ErrTooOpen, f.path, mode, f.path)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return Set{}, fmt.Errorf("contexts: read %s: %w", f.path, err)
	}
	set, err := Parse(data)
	if err != nil {
		return Set{}, fmt.Errorf("%w (in %s)", err, f.path)
	}
	return set, nil
}

// Parse decodes a file's content.
func Parse(data []byte) (Set, error) {
	if len(data) > maxSize {
		return Set{}, fmt.Errorf("contexts: larger than %d bytes", maxSize)
	}
	var set Set
	if err := json.Unmarshal(data, &set); err != nil {
		return Set{}, fmt.Errorf("contexts: %w", err)
	}
	return set, nil
}

// Update changes the file under its lock: change gets what is stored now. An
// error of change leaves the file as it was. It waits for the lock till ctx ends.
func (f File) Update(ctx context.Context, change func(*Set) error) error {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	lock := flock.New(f.path+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockEvery); err != nil {
		return fmt.Errorf("contexts: lock %s: %w", lock.Path(), err)
	}
	defer lock.Unlock() //nolint:errcheck // the lock ends with the descriptor in any case
	set, err := f.Load()
	if err != nil {
		return err
	}
	if err := change(&set); err != nil {
		return err
	}
	return f.replace(dir, set)
}

// replace writes beside the file and renames, so that a reader sees the old
// content or the new, never a part.
func (f File) replace(dir string, set Set) (err error) {
	data, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".contexts-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("contexts: write %s: %w", f.path, errors.Join(err, os.Remove(tmp.Name())))
		}
	}()
	_, err = tmp.Write(append(data, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.path)
}
