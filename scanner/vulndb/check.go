package vulndb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// The layout of a page (bbolt/internal/common: Page). All elements of branches
// and leaves have the same size; keys and values follow at offsets that count
// from their element.
const (
	elementBytes = 16
	bucketBytes  = 16
	branchPage   = 0x01
	leafPage     = 0x02
	bucketLeaf   = 0x01
	maxDepth     = 32
)

// errPage is why a page is damaged; checkPages adds where.
var errPage = errors.New("page does not hold what it says")

// checker looks at every page that a lookup could meet. bbolt follows offsets and
// page numbers without looking whether they stay inside the file, by pointers
// into mapped memory: a damaged page may crash the process in ways that no
// recover catches. After this check it cannot leave the file. On the way it
// computes a checksum of the content.
type checker struct {
	pages window
	meta  meta
	seen  []bool
	// below are the pages that those of the current depth lead to.
	below []uint64
}

// checkPages returns the checksum of all pages that hold data. It goes down the
// trees depth by depth, and within a depth from the file's front to its back:
// that way the file is read in large pieces, where each page by itself would
// take three times as long.
func checkPages(f io.ReaderAt, size int64, m meta) (uint32, error) {
	c := &checker{pages: window{f: f, size: size}, meta: m, seen: make([]bool, m.highWater), below: []uint64{m.root}}
	table := crc32.MakeTable(crc32.Castagnoli)
	var sum uint32
	for depth := 0; len(c.below) > 0; depth++ {
		if depth >= maxDepth {
			return 0, fmt.Errorf("%w: pages are nested too deeply", ErrCorrupt)
		}
		ids := c.below
		c.below = nil
		slices.Sort(ids)
		for _, id := range ids {
			page, err := c.read(id)
			if err != nil {
				return 0, err
			}
			sum = crc32.Update(sum, table, page)
			if err := c.page(page); err != nil {
				return 0, fmt.Errorf("%w: page %d: %w", ErrCorrupt, id, err)
			}
		}
	}
	return sum, nil
}

// page checks a page and notes which others it leads to.
func (c *checker) page(page []byte) error {
	switch flags, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:])); {
	case flags == branchPage && count > 0:
		return c.branch(page, count)
	case flags == leafPage:
		return c.leaf(page, count, false)
	}
	return errPage
}

// read returns a page with its overflow, until the next is read.
func (c *checker) read(id uint64) ([]byte, error) {
	if id < 2 || id >= c.meta.highWater || c.seen[id] {
		return nil, fmt.Errorf("%w: page %d is out of place", ErrCorrupt, id)
	}
	c.seen[id] = true
	size := int64(c.meta.pageSize)
	page, err := c.pages.read(int64(id)*size, size)
	if err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", ErrCorrupt, id, err)
	}
	overflow := uint64(binary.NativeEndian.Uint32(page[12:]))
	if binary.NativeEndian.Uint64(page) != id || id+overflow >= c.meta.highWater {
		return nil, fmt.Errorf("%w: page %d: %w", ErrCorrupt, id, errPage)
	}
	if page, err = c.pages.read(int64(id)*size, int64(overflow+1)*size); err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", ErrCorrupt, id, err)
	}
	return page, nil
}

func (c *checker) branch(page []byte, count int) error {
	if pageHeader+count*elementBytes > len(page) {
		return errPage
	}
	for i := range count {
		at := pageHeader + i*elementBytes
		element := page[at : at+elementBytes]
		position, key := binary.NativeEndian.Uint32(element), binary.NativeEndian.Uint32(element[4:])
		if uint64(at)+uint64(position)+uint64(key) > uint64(len(page)) {
			return errPage
		}
		c.below = append(c.below, binary.NativeEndian.Uint64(element[8:]))
	}
	return nil
}

// leaf checks the elements of a leaf. Small buckets lie inside their parent's
// leaf as a leaf of their own, which holds no further buckets.
func (c *checker) leaf(page []byte, count int, inline bool) error {
	if pageHeader+count*elementBytes > len(page) {
		return errPage
	}
	for i := range count {
		at := uint64(pageHeader + i*elementBytes)
		element := page[at : at+elementBytes]
		flags, position := binary.NativeEndian.Uint32(element), uint64(binary.NativeEndian.Uint32(element[4:]))
		key, value := uint64(binary.NativeEndian.Uint32(element[8:])), uint64(binary.NativeEndian.Uint32(element[12:]))
		end := at + position + key + value
		if end > uint64(len(page)) {
			return errPage
		}
		if flags&bucketLeaf == 0 {
			continue
		}
		if inline || value < bucketBytes {
			return errPage
		}
		if err := c.bucket(page[end-value : end]); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) bucket(value []byte) error {
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		c.below = append(c.below, root)
		return nil
	}
	page := value[bucketBytes:]
	if len(page) < pageHeader || binary.NativeEndian.Uint16(page[8:]) != leafPage {
		return errPage
	}
	return c.leaf(page, int(binary.NativeEndian.Uint16(page[10:])), true)
}

// windowBytes is how much of the file is read in one go.
const windowBytes = 64 << 10

// window reads a file from front to back in pieces.
type window struct {
	f    io.ReaderAt
	size int64
	at   int64 // where data begins
	data []byte
}

// read returns n bytes from an offset on. They are valid until the next call.
func (w *window) read(offset, n int64) ([]byte, error) {
	if n > w.size-offset {
		return nil, io.ErrUnexpectedEOF
	}
	if from := offset - w.at; from >= 0 && from+n <= int64(len(w.data)) {
		return w.data[from : from+n], nil
	}
	want := min(max(n, windowBytes), w.size-offset)
	if int64(cap(w.data)) < want {
		w.data = make([]byte, want)
	}
	w.at, w.data = offset, w.data[:want]
	if _, err := w.f.ReadAt(w.data, offset); err != nil {
		w.data = w.data[:0]
		return nil, err
	}
	return w.data[:n], nil
}
