package rpm

import (
	"encoding/binary"
	"fmt"
)

// NDB is rpm's own database format (lib/backend/ndb/rpmpkg.c): pages of slots,
// each naming the blocks in which a package's header lies.
const (
	ndbMagic     = "RpmP"
	ndbSlotMagic = "Slot"
	ndbBlobMagic = "BlbS"

	ndbPageBytes   = 4096
	ndbSlotBytes   = 16
	ndbBlockBytes  = 16
	ndbHeaderBytes = 32
	ndbBlobHeader  = 16
)

func eachNDB(data []byte, f func([]byte) error) error {
	if len(data) < ndbHeaderBytes {
		return fmt.Errorf("%w: NDB file of %d bytes", errMalformed, len(data))
	}
	pages := uint64(binary.LittleEndian.Uint32(data[12:]))
	if pages*ndbPageBytes > uint64(len(data)) || pages == 0 {
		return fmt.Errorf("%w: NDB says %d pages of slots", errMalformed, pages)
	}
	slots := data[ndbHeaderBytes : pages*ndbPageBytes]
	for ; len(slots) >= ndbSlotBytes; slots = slots[ndbSlotBytes:] {
		if string(slots[:4]) != ndbSlotMagic {
			return fmt.Errorf("%w: NDB slot", errMalformed)
		}
		index := binary.LittleEndian.Uint32(slots[4:])
		if index == 0 {
			continue // free
		}
		blob, err := ndbBlob(data, index, binary.LittleEndian.Uint32(slots[8:]))
		if err != nil {
			return err
		}
		if err := f(blob); err != nil {
			return err
		}
	}
	return nil
}

func ndbBlob(data []byte, index, block uint32) ([]byte, error) {
	offset := uint64(block) * ndbBlockBytes
	if offset+ndbBlobHeader > uint64(len(data)) {
		return nil, fmt.Errorf("%w: NDB block %d", errMalformed, block)
	}
	blob := data[offset:]
	size := uint64(binary.LittleEndian.Uint32(blob[12:]))
	if string(blob[:4]) != ndbBlobMagic || binary.LittleEndian.Uint32(blob[4:]) != index ||
		size > maxHeader || size > uint64(len(blob)-ndbBlobHeader) {
		return nil, fmt.Errorf("%w: NDB blob of package %d", errMalformed, index)
	}
	return blob[ndbBlobHeader : ndbBlobHeader+size], nil
}
