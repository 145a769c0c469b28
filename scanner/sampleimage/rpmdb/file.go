package rpmdb

import "encoding/binary"

// NDB returns a database in rpm's own format, Packages.db.
func NDB(packages ...Package) []byte { return NDBOf(Headers(packages...)...) }

// NDBOf is NDB of packages as rpm stores them, which need not make sense.
func NDBOf(headers ...[]byte) []byte {
	const page, slotBytes, block, header = 4096, 16, 16, 32
	le := binary.LittleEndian
	pages := (header + len(headers)*slotBytes + page - 1) / page
	data := make([]byte, max(pages, 1)*page)
	copy(data, "RpmP")
	le.PutUint32(data[8:], 1)
	le.PutUint32(data[12:], uint32(len(data)/page))
	le.PutUint32(data[16:], uint32(len(headers)+1))
	for slot := header; slot < len(data); slot += slotBytes {
		copy(data[slot:], "Slot")
	}
	for i, h := range headers {
		slot := data[header+i*slotBytes:]
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(data)/block))
		blob := make([]byte, block, block+len(h))
		copy(blob, "BlbS")
		le.PutUint32(blob[4:], uint32(i+1))
		le.PutUint32(blob[12:], uint32(len(h)))
		blob = append(blob, h...)
		for len(blob)%block != 0 {
			blob = append(blob, 0)
		}
		le.PutUint32(slot[12:], uint32(len(blob)/block))
		data = append(data, blob...)
	}
	return data
}

// Berkeley returns a database in Berkeley DB's hash format, Packages: a page of
// metadata, pages of pairs, and the overflow pages with the headers.
func Berkeley(o binary.ByteOrder, packages ...Package) []byte {
	return BerkeleyOf(o, Headers(packages...)...)
}

// BerkeleyOf is Berkeley of packages as rpm stores them, which need not make sense.
func BerkeleyOf(o binary.ByteOrder, headers ...[]byte) []byte {
	const size, head, offPage, perPage = 4096, 26, 12, 100
	pairPages := (len(headers) + perPage - 1) / perPage
	meta := make([]byte, size)
	o.PutUint32(meta[12:], 0x00061561)
	o.PutUint32(meta[16:], 9)
	o.PutUint32(meta[20:], size)
	meta[25] = 8
	o.PutUint32(meta[32:], uint32(pairPages))
	data := append(meta, make([]byte, pairPages*size)...)
	next := uint32(1 + pairPages)
	for n := range pairPages {
		some := headers[n*perPage : min(len(headers), (n+1)*perPage)]
		page := data[(n+1)*size : (n+2)*size]
		o.PutUint32(page[8:], uint32(n+1))
		o.PutUint16(page[20:], uint16(2*len(some)))
		page[25] = 13
		free := size
		var overflow []byte
		for i, h := range some {
			free -= 5
			o.PutUint16(page[head+i*4:], uint16(free))
			page[free] = 1
			o.PutUint32(page[free+1:], uint32(n*perPage+i+1))
			free -= offPage
			o.PutUint16(page[head+i*4+2:], uint16(free))
			page[free] = 3
			o.PutUint32(page[free+4:], next)
			o.PutUint32(page[free+8:], uint32(len(h)))
			for len(h) > 0 {
				part := h[:min(len(h), size-head)]
				h = h[len(part):]
				over := make([]byte, size)
				o.PutUint32(over[8:], next)
				over[25] = 7
				o.PutUint16(over[22:], uint16(len(part)))
				copy(over[head:], part)
				next++
				if len(h) > 0 {
					o.PutUint32(over[16:], next)
				}
				overflow = append(overflow, over...)
			}
		}
		data = append(data, overflow...)
	}
	// The last page's number is the length of the file.
	o.PutUint32(data[32:], uint32(len(data)/size-1))
	return data
}
