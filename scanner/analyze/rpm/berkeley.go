package rpm

import (
	"encoding/binary"
	"fmt"
)

// A Berkeley DB of hash type (dbinc/db_page.h of Berkeley DB 4.8): page 0 tells
// the page size, hash pages hold pairs of a key and where its value lies, and
// values lie in chains of overflow pages. Numbers have the byte order of the
// machine that wrote them.
const (
	berkeleyMagic      = 0x00061561
	berkeleyHeader     = 26
	berkeleyMinPage    = 512
	berkeleyMaxPage    = 64 << 10
	berkeleyOverflow   = 7
	berkeleyHash       = 13
	berkeleyHashOld    = 2
	berkeleyOffPage    = 3
	berkeleyOffPageLen = 12
)

type berkeley struct {
	data  []byte
	order binary.ByteOrder
	size  uint64
	// used marks the overflow pages that were read, each of which belongs to one value.
	used  []bool
	value []byte
}

func isBerkeley(data []byte) bool {
	return len(data) >= berkeleyMinPage &&
		(binary.LittleEndian.Uint32(data[12:]) == berkeleyMagic || binary.BigEndian.Uint32(data[12:]) == berkeleyMagic)
}

func eachBerkeley(data []byte, f func([]byte) error) error {
	b := &berkeley{data: data, order: binary.LittleEndian}
	if binary.LittleEndian.Uint32(data[12:]) != berkeleyMagic {
		b.order = binary.BigEndian
	}
	b.size = uint64(b.order.Uint32(data[20:]))
	if b.size < berkeleyMinPage || b.size > berkeleyMaxPage || b.size&(b.size-1) != 0 {
		return fmt.Errorf("%w: pages of %d bytes", errMalformed, b.size)
	}
	if data[24] != 0 {
		return fmt.Errorf("%w: encrypted", errMalformed)
	}
	count := uint64(len(data)) / b.size
	b.used = make([]bool, count)
	for number := range count {
		page := b.page(number)
		if kind := page[25]; kind != berkeleyHash && kind != berkeleyHashOld {
			continue
		}
		if err := b.hashPage(page, f); err != nil {
			return err
		}
	}
	return nil
}

func (b *berkeley) page(number uint64) []byte { return b.data[number*b.size : (number+1)*b.size] }

// hashPage reads the values of a page; those that lie in the page itself are not
// packages, whose headers are too large for that.
func (b *berkeley) hashPage(page []byte, f func([]byte) error) error {
	entries := uint64(b.order.Uint16(page[20:]))
	if berkeleyHeader+entries*2 > b.size {
		return fmt.Errorf("%w: %d entries in a page", errMalformed, entries)
	}
	for i := uint64(1); i < entries; i += 2 {
		offset := uint64(b.order.Uint16(page[berkeleyHeader+i*2:]))
		if offset+berkeleyOffPageLen > b.size || page[offset] != berkeleyOffPage {
			continue
		}
		item := page[offset:]
		if err := b.read(uint64(b.order.Uint32(item[4:])), uint64(b.order.Uint32(item[8:]))); err != nil {
			return err
		}
		if err := f(b.value); err != nil {
			return err
		}
	}
	return nil
}

// read follows a chain of overflow pages.
func (b *berkeley) read(number, size uint64) error {
	if size > maxHeader || size > uint64(len(b.data)) {
		return fmt.Errorf("%w: value of %d bytes", errMalformed, size)
	}
	b.value = b.value[:0]
	for number != 0 {
		if number >= uint64(len(b.used)) || b.used[number] {
			return fmt.Errorf("%w: overflow page %d is absent or used twice", errMalformed, number)
		}
		b.used[number] = true
		page := b.page(number)
		length := uint64(b.order.Uint16(page[22:]))
		if page[25] != berkeleyOverflow || berkeleyHeader+length > b.size || uint64(len(b.value))+length > size {
			return fmt.Errorf("%w: overflow page %d", errMalformed, number)
		}
		b.value = append(b.value, page[berkeleyHeader:berkeleyHeader+length]...)
		number = uint64(b.order.Uint32(page[16:]))
	}
	if uint64(len(b.value)) != size {
		return fmt.Errorf("%w: value of %d bytes, expected %d", errMalformed, len(b.value), size)
	}
	return nil
}
