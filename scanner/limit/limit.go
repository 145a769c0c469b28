// Package limit holds the bounds that every byte from outside passes before a
// decoder sees it, and the typed error for what exceeds one. Exceeding a bound
// is a result with a reason, never a crash.
package limit

import (
	"errors"
	"fmt"
	"io"
)

// ErrExceeded is wrapped by every error of type *Error.
var ErrExceeded = errors.New("limit exceeded")

// Error says which bound was exceeded and by what.
type Error struct {
	// Name is the bound in snake_case, as a configuration would spell it.
	Name string
	// Max is the bound and Seen what was met (at least; reading stops there).
	Max, Seen int64
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: %s allows %d, saw %d", ErrExceeded, e.Name, e.Max, e.Seen)
}

// Unwrap makes errors.Is(err, ErrExceeded) true.
func (e *Error) Unwrap() error { return ErrExceeded }

// Limits bounds what one image may cost. A zero field means the default; use
// Defaults to see them.
type Limits struct {
	// ManifestBytes and ConfigBytes bound the JSON documents of an image.
	ManifestBytes int64
	ConfigBytes   int64
	// IndexDepth and IndexChildren bound nested indexes and their width.
	IndexDepth    int
	IndexChildren int
	// Referrers and ReferrerPages bound what refers to an image: anybody who may
	// push can attach to it without end.
	Referrers     int
	ReferrerPages int
	// Layers bounds the number of layers of an image.
	Layers int
	// LayerBytes and UnpackedBytes bound one layer as stored and unpacked.
	LayerBytes    int64
	UnpackedBytes int64
	// Ratio bounds unpacked to stored bytes of a layer, looked at only once more
	// than RatioFloor bytes were unpacked: small files of zeros are harmless.
	Ratio      int64
	RatioFloor int64
	// Entries bounds the tar entries of a layer, PathBytes the length of a path.
	Entries   int
	PathBytes int
	// FileBytes bounds one file that an analyzer reads, and KeptBytes the sum of
	// what analyzers read and the walk remembers in one layer: with it, memory
	// has a ceiling.
	FileBytes int64
	KeptBytes int64
	// Facts bounds what all layers of an image tell (packages, deletions, sightings,
	// problems; a package database that ten layers rewrite counts ten times), and
	// Packages how many packages the image has in the end.
	Facts    int
	Packages int
	// HeldBytes bounds the files that are in memory as a whole at the same time,
	// over all layers that are being read: archives, executables, databases.
	HeldBytes int64
}

// Defaults returns bounds that no honest image meets: container runtimes refuse
// more than 127 layers, and the largest images seen have some hundred thousand
// files.
func Defaults() Limits {
	const mib = 1 << 20
	return Limits{
		ManifestBytes: 4 * mib,
		ConfigBytes:   8 * mib,
		IndexDepth:    3,
		IndexChildren: 256,
		Referrers:     1000,
		ReferrerPages: 20,
		Layers:        256,
		LayerBytes:    16 << 30,
		UnpackedBytes: 64 << 30,
		Ratio:         200,
		RatioFloor:    256 * mib,
		Entries:       2_000_000,
		PathBytes:     4096,
		FileBytes:     128 * mib,
		KeptBytes:     256 * mib,
		Facts:         500_000,
		Packages:      200_000,
		HeldBytes:     128 * mib,
	}
}

// WithDefaults returns l with every zero field replaced by its default.
func (l Limits) WithDefaults() Limits {
	d := Defaults()
	return Limits{
		ManifestBytes: orDefault(l.ManifestBytes, d.ManifestBytes),
		ConfigBytes:   orDefault(l.ConfigBytes, d.ConfigBytes),
		IndexDepth:    orDefault(l.IndexDepth, d.IndexDepth),
		IndexChildren: orDefault(l.IndexChildren, d.IndexChildren),
		Referrers:     orDefault(l.Referrers, d.Referrers),
		ReferrerPages: orDefault(l.ReferrerPages, d.ReferrerPages),
		Layers:        orDefault(l.Layers, d.Layers),
		LayerBytes:    orDefault(l.LayerBytes, d.LayerBytes),
		UnpackedBytes: orDefault(l.UnpackedBytes, d.UnpackedBytes),
		Ratio:         orDefault(l.Ratio, d.Ratio),
		RatioFloor:    orDefault(l.RatioFloor, d.RatioFloor),
		Entries:       orDefault(l.Entries, d.Entries),
		PathBytes:     orDefault(l.PathBytes, d.PathBytes),
		FileBytes:     orDefault(l.FileBytes, d.FileBytes),
		KeptBytes:     orDefault(l.KeptBytes, d.KeptBytes),
		Facts:         orDefault(l.Facts, d.Facts),
		Packages:      orDefault(l.Packages, d.Packages),
		HeldBytes:     orDefault(l.HeldBytes, d.HeldBytes),
	}
}

func orDefault[T int | int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Check returns an *Error when seen exceeds max.
func Check(name string, max, seen int64) error {
	if seen > max {
		return &Error{Name: name, Max: max, Seen: seen}
	}
	return nil
}

// Reader returns a reader that fails with an *Error once more than max bytes
// were read from r. Unlike io.LimitReader it never pretends that the stream
// ended.
func Reader(r io.Reader, name string, max int64) io.Reader {
	return &reader{r: r, name: name, max: max}
}

type reader struct {
	r    io.Reader
	name string
	max  int64
	n    int64
}

func (l *reader) Read(p []byte) (int, error) {
	// One byte more than allowed tells an exact fit from an excess.
	if room := l.max - l.n + 1; int64(len(p)) > room {
		p = p[:room]
	}
	n, err := l.r.Read(p)
	l.n += int64(n)
	if l.n > l.max {
		return max(0, n-1), &Error{Name: l.name, Max: l.max, Seen: l.n}
	}
	return n, err
}

// ReadAll reads everything of r, or fails with an *Error when that is more than
// max bytes.
func ReadAll(r io.Reader, name string, max int64) ([]byte, error) {
	return io.ReadAll(Reader(r, name, max))
}
