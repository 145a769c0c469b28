package vulndb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
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

// errPage is why a page is damaged; check adds where.
var errPage = errors.New("page does not hold what it says")

// checker walks every page that a lookup could meet. bbolt follows offsets and
// page numbers without looking whether they stay inside the file, by pointers
// into mapped memory: a damaged page may crash the process in ways that no
// recover catches. After this walk it cannot leave the file. On the way it
// computes a checksum of the content.
type checker struct {
	f         io.ReaderAt
	meta      meta
	seen      []bool
	sum       hash.Hash32
	scratches [][]byte
}

// checkPages returns the checksum of all pages that hold data.
func checkPages(f io.ReaderAt, m meta) (uint32, error) {
	c := &checker{
		f: f, meta: m, seen: make([]bool, m.highWater), sum: crc32.New(crc32.MakeTable(crc32.Castagnoli)),
	}
	if err := c.tree(m.root, 0); err != nil {
		return 0, err
	}
	return c.sum.Sum32(), nil
}

// tree checks the page and what lies below it.
func (c *checker) tree(id uint64, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("%w: pages are nested too deeply", ErrCorrupt)
	}
	page, err := c.read(id, depth)
	if err != nil {
		return err
	}
	c.sum.Write(page)
	switch flags, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:])); {
	case flags == branchPage && count > 0:
		err = c.branch(page, count, depth)
	case flags == leafPage:
		err = c.leaf(page, count, depth, false)
	default:
		err = errPage
	}
	if errors.Is(err, errPage) {
		return fmt.Errorf("%w: page %d: %w", ErrCorrupt, id, err)
	}
	return err
}

// read reads a page with its overflow, into a buffer that is used again by the
// next page of the same depth.
func (c *checker) read(id uint64, depth int) ([]byte, error) {
	for len(c.scratches) <= depth {
		c.scratches = append(c.scratches, make([]byte, c.meta.pageSize))
	}
	if id < 2 || id >= c.meta.highWater || c.seen[id] {
		return nil, fmt.Errorf("%w: page %d is out of place", ErrCorrupt, id)
	}
	c.seen[id] = true
	size := int64(c.meta.pageSize)
	page := c.scratches[depth][:size]
	if _, err := c.f.ReadAt(page, int64(id)*size); err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", ErrCorrupt, id, err)
	}
	overflow := uint64(binary.NativeEndian.Uint32(page[12:]))
	if binary.NativeEndian.Uint64(page) != id || id+overflow >= c.meta.highWater {
		return nil, fmt.Errorf("%w: page %d: %w", ErrCorrupt, id, errPage)
	}
	if overflow == 0 {
		return page, nil
	}
	whole := make([]byte, int64(overflow+1)*size)
	if _, err := c.f.ReadAt(whole, int64(id)*size); err != nil {
		return nil, fmt.Errorf("%w: read page %d: %w", ErrCorrupt, id, err)
	}
	c.scratches[depth] = whole
	return whole, nil
}

func (c *checker) branch(page []byte, count, depth int) error {
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
		if err := c.tree(binary.NativeEndian.Uint64(element[8:]), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks the elements of a leaf. Small buckets lie inside their parent's
// leaf as a leaf of their own, which holds no further buckets.
func (c *checker) leaf(page []byte, count, depth int, inline bool) error {
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
		if err := c.bucket(page[end-value:end], depth); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) bucket(value []byte, depth int) error {
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return c.tree(root, depth+1)
	}
	page := value[bucketBytes:]
	if len(page) < pageHeader || binary.NativeEndian.Uint16(page[8:]) != leafPage {
		return errPage
	}
	return c.leaf(page, int(binary.NativeEndian.Uint16(page[10:])), depth, true)
}
