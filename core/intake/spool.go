package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/muster-sec/muster/core/fault"
)

// headBytes is how much of a document its format is recognised by.
const headBytes = 64 << 10

// spool is a document on the disk: a slow pipeline holds no plugin, and a plugin
// that dies can be given the document again. The file has no name, so that it is
// gone with the process whatever happens to it.
type spool struct {
	*os.File
	head []byte
	hash string // SHA-256 of the document in hex
}

// openSpool copies body to a file in dir and rewinds it. Close it.
func openSpool(dir string, body io.Reader, limit int64) (_ *spool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("intake: make the spool folder: %w", err)
	}
	file, err := os.CreateTemp(dir, "document-*")
	if err != nil {
		return nil, fmt.Errorf("intake: make a spool file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("intake: take the name off a spool file: %w", err)
	}
	sum := sha256.New()
	source := &failing{Reader: io.LimitReader(body, limit+1)}
	n, err := io.Copy(io.MultiWriter(file, sum), source)
	switch {
	case source.err != nil:
		return nil, fault.New(fault.Invalid, "intake: the document broke off after %d bytes: %w", n, source.err)
	case err != nil:
		return nil, fault.New(fault.Unavailable, "intake: write the spool: %w", err).WithHint("is the disk of the data directory full?")
	case n > limit:
		return nil, fault.New(fault.TooLarge, "intake: the document is larger than %d bytes", limit)
	case n == 0:
		return nil, fault.New(fault.Invalid, "intake: the document is empty")
	}
	s := &spool{File: file, hash: hex.EncodeToString(sum.Sum(nil)), head: make([]byte, min(n, headBytes))}
	if _, err := file.ReadAt(s.head, 0); err != nil {
		return nil, fmt.Errorf("intake: read the spool: %w", err)
	}
	return s, s.rewind()
}

func (s *spool) rewind() error {
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("intake: rewind the spool: %w", err)
	}
	return nil
}

// failing remembers that reading failed, to tell the sender's failures from ours.
type failing struct {
	io.Reader
	err error
}

// Read implements [io.Reader].
func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}
