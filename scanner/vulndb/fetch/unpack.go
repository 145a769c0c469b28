package fetch

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/vulndb"
)

const (
	maxMetadata = 1 << 20
	maxEntries  = 64
	// zstdWindow bounds the memory that a zstd stream may ask for.
	zstdWindow = 128 << 20
)

// unpackArchive takes database and metadata out of a gzip-compressed tar. Other
// entries are passed over; names with folders are refused, as they could lead
// out of the folder.
func (u *Updater) unpackArchive(r io.Reader, stage string) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	defer z.Close()
	return u.unpackTar(limit.Reader(z, "database_bytes", u.options.MaxBytes+maxMetadata+maxEntries<<10), stage)
}

func (u *Updater) unpackTar(r io.Reader, stage string) error {
	archive := tar.NewReader(r)
	found := false
	for n := 1; ; n++ {
		if err := limit.Check("database_entries", maxEntries, int64(n)); err != nil {
			return err
		}
		hdr, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF) && !found:
			return fmt.Errorf("%w: it holds no %s", ErrArtifact, DatabaseFile)
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, limit.ErrExceeded):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", ErrArtifact, err)
		case hdr.Typeflag != tar.TypeReg:
			continue
		}
		switch path.Clean(hdr.Name) {
		case DatabaseFile:
			found = true
			err = writeFile(filepath.Join(stage, DatabaseFile), archive, "database_bytes", u.options.MaxBytes)
		case vulndb.MetadataFile:
			err = writeFile(filepath.Join(stage, vulndb.MetadataFile), archive, "metadata_bytes", maxMetadata)
		}
		if err != nil {
			return err
		}
	}
}

// unpackFile takes the database out of a file of any of the known kinds, told by
// its first bytes.
func (u *Updater) unpackFile(ctx context.Context, file, stage string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := u.unpackStream(&ctxReader{ctx, f}, stage); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(stage, vulndb.MetadataFile)); err == nil {
		return nil
	}
	beside, err := os.Open(filepath.Join(filepath.Dir(file), vulndb.MetadataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a database of unknown age is better than none, and said to be so
	}
	if err != nil {
		return err
	}
	defer beside.Close()
	return writeFile(filepath.Join(stage, vulndb.MetadataFile), beside, "metadata_bytes", maxMetadata)
}

func (u *Updater) unpackStream(r io.Reader, stage string) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	target := filepath.Join(stage, DatabaseFile)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrArtifact, err)
		}
		defer z.Close()
		return u.unpackTarOrFile(z, stage)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrArtifact, err)
		}
		defer z.Close()
		return u.unpackTarOrFile(z, stage)
	}
	return writeFile(target, buffered, "database_bytes", u.options.MaxBytes)
}

// unpackTarOrFile looks at where a tar has its magic.
func (u *Updater) unpackTarOrFile(r io.Reader, stage string) error {
	bounded := bufio.NewReaderSize(limit.Reader(r, "database_bytes", u.options.MaxBytes+maxMetadata+maxEntries<<10), 64<<10)
	const magicAt, magic = 257, "ustar"
	head, err := bounded.Peek(magicAt + len(magic))
	if err != nil && !errors.Is(err, io.EOF) {
		if errors.Is(err, limit.ErrExceeded) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	if len(head) == magicAt+len(magic) && string(head[magicAt:]) == magic {
		return u.unpackTar(bounded, stage)
	}
	return writeFile(filepath.Join(stage, DatabaseFile), bounded, "database_bytes", u.options.MaxBytes)
}

// writeFile writes a bounded stream to a new file and syncs it.
func writeFile(name string, r io.Reader, bound string, most int64) (err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, limit.Reader(r, bound, most)); err != nil {
		return err
	}
	return f.Sync()
}
