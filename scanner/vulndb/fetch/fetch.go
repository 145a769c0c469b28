// Package fetch keeps a folder with a vulnerability database up to date: it pulls
// trivy-db as an OCI artifact from the first repository that has a good one, or
// imports a file, and puts it in place in one step. Whatever is half downloaded,
// damaged, of another schema or older never takes the place of a good one.
//
// The folder holds trivy.db and metadata.json, links into the folder of the
// version in use, so that readers need know nothing of this package. Several
// processes may share it.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// DatabaseFile is the name of the database in the folder.
const DatabaseFile = "trivy.db"

const (
	lockFile = ".lock"
	// lockPoll is how often a process that waits for another looks again.
	lockPoll = 200 * time.Millisecond
)

// Errors of Update and Import, beside those of packages vulndb and limit and
// *transport.Error of go-containerregistry.
var (
	// ErrArtifact says that what a repository holds is no database of our schema.
	ErrArtifact = errors.New("fetch: not a vulnerability database artifact")
	// ErrOlder says that a database is older than the one in place.
	ErrOlder = errors.New("fetch: older than the database in place")
	// ErrInsecure says that a registry was about to be spoken to without TLS.
	ErrInsecure = errors.New("fetch: plain HTTP refused")
	// ErrBusy says that another process was updating the folder all the time.
	ErrBusy = errors.New("fetch: another process is updating the database")
	// ErrMissing says that the folder holds no database.
	ErrMissing = errors.New("fetch: there is no database yet")
)

// DefaultRepositories are the public places of trivy-db, in the order in which
// they are asked.
func DefaultRepositories() []string {
	return []string{"mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2", "public.ecr.aws/aquasecurity/trivy-db:2"}
}

// Options configures an Updater. The zero value asks the public repositories.
type Options struct {
	// Repositories are asked in order, [http://]HOST/REPOSITORY[:TAG]; the tag is
	// the schema's number unless given. Plain HTTP is spoken to those that begin
	// with http://, and to all with PlainHTTP.
	Repositories []string
	// Keychain gives credentials for them; nil means anonymous.
	Keychain authn.Keychain
	// Transport makes the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// PlainHTTP allows registries without TLS.
	PlainHTTP bool
	UserAgent string
	// MaxBytes bounds the unpacked database; zero means eight gigabytes.
	MaxBytes int64
	// Now and Wait are the clock; nil means the system's. Wait returns early with
	// the context's error.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
	// Logger hears which repository failed and why; nil means silence.
	Logger *slog.Logger
}

// Status says what the folder holds.
type Status struct {
	// Path is the database file, by the folder of its version.
	Path     string          `json:"path"`
	Revision string          `json:"revision"`
	Metadata vulndb.Metadata `json:"metadata"`
	Source   Source          `json:"source"`
	Bytes    int64           `json:"bytes"`
}

// Source says where a database came from.
type Source struct {
	// Repository and Digest are the artifact's; File is the name of an imported file.
	Repository string    `json:"repository,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	File       string    `json:"file,omitempty"`
	At         time.Time `json:"at"`
}

// Result is the outcome of Update or Import.
type Result struct {
	Status
	// Changed is false when the folder held this database already.
	Changed bool `json:"changed"`
	// Skipped are the repositories that were tried in vain before, and why.
	Skipped []string `json:"skipped,omitempty"`
}

// Updater keeps one folder. It is safe for concurrent use.
type Updater struct {
	dir     string
	options Options
}

// New returns an updater of the folder, which is made when it is first needed.
func New(dir string, o Options) (*Updater, error) {
	if dir == "" {
		return nil, errors.New("fetch: the folder has no name")
	}
	if len(o.Repositories) == 0 {
		o.Repositories = DefaultRepositories()
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 8 << 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Updater{dir: dir, options: o}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// Update pulls the newest database of the first repository that has a good one.
// Force takes it even if the folder holds it already, or a newer one. The error
// joins what went wrong with each repository.
func (u *Updater) Update(ctx context.Context, force bool) (Result, error) {
	var result Result
	err := u.locked(ctx, func() error {
		var problems error
		for _, repository := range u.options.Repositories {
			changed, err := u.pull(ctx, repository, force)
			if err == nil {
				result.Changed = changed
				result.Status, err = u.Status()
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			u.options.Logger.WarnContext(ctx, "vulnerability database not taken", "repository", repository, "error", err)
			result.Skipped = append(result.Skipped, err.Error())
			problems = errors.Join(problems, err)
		}
		return problems
	})
	return result, err
}

// Import takes a database out of a file: trivy.db itself, the same packed with
// zstd or gzip, or the archive of the artifact. A metadata.json beside the file
// is taken with it unless the archive has one. Force takes an older one too.
func (u *Updater) Import(ctx context.Context, file string, force bool) (Result, error) {
	var result Result
	err := u.locked(ctx, func() error {
		s := Source{File: filepath.Base(file), At: u.options.Now().UTC().Truncate(time.Second)}
		err := u.install(s, force, func(stage string) error { return u.unpackFile(ctx, file, stage) })
		if err != nil {
			return fmt.Errorf("fetch: import %s: %w", file, err)
		}
		result.Changed = true
		result.Status, err = u.Status()
		return err
	})
	return result, err
}

// Status tells what the folder holds, after opening it; ErrMissing when it holds
// nothing. It needs no lock.
func (u *Updater) Status() (Status, error) { return StatusOf(u.dir) }

// StatusOf is Status for a folder, or for a database file by its own name.
func StatusOf(path string) (Status, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, DatabaseFile)
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return Status{}, fmt.Errorf("%w: %s", ErrMissing, path)
	}
	if err != nil {
		return Status{}, fmt.Errorf("fetch: %w", err)
	}
	db, err := vulndb.Open(real)
	if err != nil {
		return Status{}, err
	}
	s := Status{Path: real, Revision: db.Revision(), Metadata: db.Metadata()}
	if err := db.Close(); err != nil {
		return Status{}, fmt.Errorf("fetch: close: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return Status{}, fmt.Errorf("fetch: %w", err)
	}
	s.Bytes = info.Size()
	s.Source, err = readSource(filepath.Dir(real))
	return s, err
}

// SourceOf tells where the database file at path came from; zero when nothing
// beside it says so.
func SourceOf(path string) (Source, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Source{}, fmt.Errorf("fetch: %w", err)
	}
	return readSource(filepath.Dir(real))
}

// locked runs f while no other process changes the folder.
func (u *Updater) locked(ctx context.Context, f func() error) (err error) {
	if err := os.MkdirAll(u.dir, 0o755); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	lock := flock.New(filepath.Join(u.dir, lockFile))
	got, err := lock.TryLockContext(ctx, lockPoll)
	if err != nil || !got {
		return fmt.Errorf("%w: %w", ErrBusy, errors.Join(err, context.Cause(ctx)))
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return f()
}
