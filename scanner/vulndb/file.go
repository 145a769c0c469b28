package vulndb

import (
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
	root      uint64
	highWater uint64
	tx        uint64
}

// checkFile looks at the file before bbolt maps it, because bbolt trusts what it
// reads. It returns a checksum of the content and the file's size.
func checkFile(f *os.File) (sum uint32, size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("vulndb: open: %w", err)
	}
	if !info.Mode().IsRegular() {
		return 0, 0, fmt.Errorf("%w: not a regular file", ErrCorrupt)
	}
	m, err := newestMeta(f)
	if err != nil {
		return 0, 0, err
	}
	if need := m.highWater * uint64(m.pageSize); need > uint64(info.Size()) {
		return 0, 0, fmt.Errorf("%w: it has %d bytes and should have %d: was the download cut short?", ErrCorrupt, info.Size(), need)
	}
	sum, err = checkPages(f, info.Size(), m)
	return sum, info.Size(), err
}

// newestMeta returns the valid meta page of the latest transaction, which is the
// one that bbolt uses.
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

// metaOffsets are where the meta pages may begin: the first page tells its
// size, and if that is damaged the sizes that systems use are tried.
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
	m := meta{
		pageSize: order.Uint32(buf[8:]), root: order.Uint64(buf[16:]), highWater: order.Uint64(buf[40:]), tx: order.Uint64(buf[48:]),
	}
	valid := order.Uint32(buf) == metaMagic && order.Uint32(buf[4:]) == metaVersion &&
		order.Uint64(buf[56:]) == sum.Sum64() && m.pageSize >= 512 && m.pageSize <= 1<<20 && m.highWater < 1<<40
	return m, valid
}

// identify reads metadata.json and names the content: its date where it is
// known, and a short hash over dates, size and checksum that tells builds apart.
func identify(path string, sum uint32, size int64) (Metadata, string, error) {
	m := Metadata{Version: Schema}
	date := "undated"
	raw, err := readMetadata(filepath.Join(filepath.Dir(path), MetadataFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return Metadata{}, "", err
	default:
		if err := json.Unmarshal(raw, &m); err != nil {
			return Metadata{}, "", fmt.Errorf("%w: %s: %w", ErrSchema, MetadataFile, err)
		}
		if m.Version != Schema {
			return Metadata{}, "", fmt.Errorf("%w: %s says schema %d", ErrSchema, MetadataFile, m.Version)
		}
		date = m.UpdatedAt.UTC().Format("20060102T150405Z")
	}
	// What a mirror notes when it copies the file does not change the content.
	name := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d", m.UpdatedAt.UnixNano(), m.NextUpdate.UnixNano(), size, sum))
	return m, date + "-" + hex.EncodeToString(name[:6]), nil
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
