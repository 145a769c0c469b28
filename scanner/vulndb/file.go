package vulndb

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/muster-sec/muster/scanner/limit"
)

// Metadata is trivy-db's metadata.json.
type Metadata struct {
	Version      int
	NextUpdate   time.Time
	UpdatedAt    time.Time
	DownloadedAt time.Time
}

// MetadataFile is the name of the file beside the database that tells its age.
const MetadataFile = "metadata.json"

const maxMetadata = 1 << 20

// The layout of a bbolt meta page (bbolt/internal/common: Page and Meta): a page
// header of 16 bytes, then magic, version, page size, flags, the root bucket (2
// words), free list, high-water mark, transaction and an FNV-1a checksum of all
// before it. The file holds two of them, on its first two pages.
const (
	pageHeader  = 16
	metaBytes   = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2
)

type meta struct {
	pageSize  uint32
	highWater uint64
	tx        uint64
}

// checkFile looks at the meta pages before bbolt maps the file: bbolt trusts
// them, and reading a mapped page that lies behind the end of the file would be
// a fault of the whole process.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("vulndb: open: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("vulndb: open: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file", ErrCorrupt, path)
	}
	m, err := newestMeta(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if need := m.highWater * uint64(m.pageSize); need > uint64(info.Size()) {
		return fmt.Errorf("%w: %s has %d bytes and should have %d: was the download cut short?", ErrCorrupt, path, info.Size(), need)
	}
	return nil
}

// newestMeta returns the valid meta page of the latest transaction.
func newestMeta(f io.ReaderAt) (meta, error) {
	var newest meta
	found := false
	for _, offset := range metaOffsets(f) {
		if m, ok := readMeta(f, offset); ok && (!found || m.tx > newest.tx) {
			newest, found = m, true
		}
	}
	if !found {
		return meta{}, fmt.Errorf("%w: no valid bbolt meta page", ErrCorrupt)
	}
	return newest, nil
}

// metaOffsets are where the second meta page may begin: the first page tells
// its size, and if that is damaged the sizes that systems use are tried.
func metaOffsets(f io.ReaderAt) []int64 {
	if m, ok := readMeta(f, 0); ok {
		return []int64{0, int64(m.pageSize)}
	}
	return []int64{4096, 8192, 16384, 65536}
}

func readMeta(f io.ReaderAt, offset int64) (meta, bool) {
	buf := make([]byte, metaBytes)
	if _, err := f.ReadAt(buf, offset+pageHeader); err != nil {
		return meta{}, false
	}
	order := binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(buf[:metaBytes-8])
	m := meta{pageSize: order.Uint32(buf[8:]), highWater: order.Uint64(buf[40:]), tx: order.Uint64(buf[48:])}
	valid := order.Uint32(buf) == metaMagic && order.Uint32(buf[4:]) == metaVersion &&
		order.Uint64(buf[56:]) == sum.Sum64() && m.pageSize >= 512 && m.pageSize <= 1<<20 && m.highWater < 1<<40
	return m, valid
}

// identify reads metadata.json and names the content. With metadata, the name
// is a hash over it, the file's size and both meta pages, which every write
// changes; that is cheap and tells two builds apart. Without, it is the hash of
// the whole file.
func identify(path string) (Metadata, string, error) {
	raw, err := readMetadata(filepath.Join(filepath.Dir(path), MetadataFile))
	if errors.Is(err, fs.ErrNotExist) {
		revision, err := hashFile(path)
		return Metadata{Version: Schema}, revision, err
	}
	if err != nil {
		return Metadata{}, "", err
	}
	var m Metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		return Metadata{}, "", fmt.Errorf("%w: %s: %w", ErrSchema, MetadataFile, err)
	}
	if m.Version != Schema {
		return Metadata{}, "", fmt.Errorf("%w: %s says schema %d", ErrSchema, MetadataFile, m.Version)
	}
	// What a mirror adds when it copies the file does not change the content.
	m2 := m
	m2.DownloadedAt = time.Time{}
	canonical, err := json.Marshal(m2)
	if err != nil {
		return Metadata{}, "", fmt.Errorf("%w: %s: %w", ErrSchema, MetadataFile, err)
	}
	head, size, err := readHead(path)
	if err != nil {
		return Metadata{}, "", err
	}
	sum := sha256.New()
	sum.Write(canonical)
	sum.Write(head)
	fmt.Fprintf(sum, "%d", size)
	return m, m.UpdatedAt.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

func readMetadata(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vulndb: open metadata: %w", err)
	}
	defer f.Close()
	raw, err := limit.ReadAll(f, "metadata_bytes", maxMetadata)
	if err != nil {
		return nil, fmt.Errorf("vulndb: read metadata: %w", err)
	}
	return raw, nil
}

// readHead returns the part of the file that holds both meta pages, and its size.
func readHead(path string) ([]byte, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("vulndb: open: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("vulndb: open: %w", err)
	}
	var head bytes.Buffer
	for _, offset := range metaOffsets(f) {
		if _, err := io.Copy(&head, io.NewSectionReader(f, offset+pageHeader, metaBytes)); err != nil {
			return nil, 0, fmt.Errorf("vulndb: read: %w", err)
		}
	}
	return head.Bytes(), info.Size(), nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("vulndb: open: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("vulndb: hash: %w", err)
	}
	return "sha256-" + hex.EncodeToString(sum.Sum(nil)[:16]), nil
}
