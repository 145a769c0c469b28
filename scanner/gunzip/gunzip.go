// Package gunzip reads gzip streams (RFC 1952) about twice as fast as the
// libraries: unpacking is most of what reading an image costs. It decodes into one
// flat buffer, several literals for each look at the input, as libdeflate does.
package gunzip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Errors that a Reader wraps. A stream that ends too early gives
// io.ErrUnexpectedEOF, and the source's own errors come as they are.
var (
	// ErrHeader says that a stream, or what follows in it, is not gzip.
	ErrHeader = errors.New("gunzip: invalid header")
	// ErrCorrupt says that the compressed data break the rules of deflate.
	ErrCorrupt = errors.New("gunzip: corrupt data")
	// ErrChecksum says that the data are not those that were packed.
	ErrChecksum = errors.New("gunzip: wrong checksum")
)

const (
	inBytes = 64 << 10
	// history is how far back deflate may refer.
	history  = 32 << 10
	outBytes = history + 128<<10
	// longest is the longest match.
	longest = 258
	// nameBytes bounds names and comments, as the standard library does.
	nameBytes = 512
)

// Reader unpacks a stream of one or more members, one after the other. It is for
// one goroutine and has nothing to close.
type Reader struct {
	src    io.Reader
	srcErr error
	in     []byte
	pos    int // in[pos:end] is not looked at yet
	end    int
	// bits holds count bits that were read and not used, the next one lowest.
	// What lies above them is part of the next byte.
	bits  uint64
	count uint

	out   []byte
	taken int // out[taken:made] waits to be read
	made  int
	// floor is where the member began in out: no match reaches below.
	floor int

	err   error
	block block
	last  bool // the block is the member's last
	left  int  // bytes to come of a stored block
	// sum and size are of what the member gave, up to out[summed].
	sum    uint32
	size   uint32
	summed int

	tables tables
}

// block is what the reader is in the middle of.
type block int

const (
	atMember block = iota
	atBlock
	inStored
	inCodes
)

// NewReader returns a reader of the stream. It reads ahead, and nothing before
// the first Read.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, in: make([]byte, inBytes), out: make([]byte, outBytes)}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.taken == r.made {
		if r.err != nil {
			return 0, r.err
		}
		r.slide()
		r.err = r.decode()
		r.addUp()
	}
	n := copy(p, r.out[r.taken:r.made])
	r.taken += n
	return n, nil
}

// slide makes room: only what matches may refer to is kept.
func (r *Reader) slide() {
	if r.made <= history {
		return
	}
	by := r.made - history
	copy(r.out, r.out[by:r.made])
	r.made, r.taken, r.summed = history, history, history
	r.floor = max(0, r.floor-by)
}

// addUp adds what was decoded to the member's checksum.
func (r *Reader) addUp() {
	fresh := r.out[r.summed:r.made]
	r.sum = crc32.Update(r.sum, crc32.IEEETable, fresh)
	r.size += uint32(len(fresh))
	r.summed = r.made
}

// decode goes on until there is no room, or to the end of the stream.
func (r *Reader) decode() error {
	for {
		switch r.block {
		case atMember:
			if err := r.header(); err != nil {
				return err
			}
			r.block = atBlock
		case atBlock:
			if err := r.blockHeader(); err != nil {
				return err
			}
		case inStored:
			full, err := r.stored()
			if full || err != nil {
				return err
			}
			if err := r.endBlock(); err != nil {
				return err
			}
		case inCodes:
			full, err := r.codes()
			if full || err != nil {
				return err
			}
			if err := r.endBlock(); err != nil {
				return err
			}
		}
	}
}

// header reads a member's header. Nothing at all is the end of the stream.
func (r *Reader) header() error {
	const checked, extra, named, commented = 2, 4, 8, 16
	first, err := r.readByte()
	if errors.Is(err, io.ErrUnexpectedEOF) && r.srcErr == io.EOF {
		return io.EOF
	}
	if err != nil {
		return err
	}
	var h [10]byte
	h[0] = first
	if err := r.readFull(h[1:]); err != nil {
		return err
	}
	flags := h[3]
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 {
		return ErrHeader
	}
	sum := crc32.NewIEEE()
	sum.Write(h[:])
	if flags&extra != 0 {
		var n [2]byte
		if err := r.readFull(n[:]); err != nil {
			return err
		}
		sum.Write(n[:])
		for range binary.LittleEndian.Uint16(n[:]) {
			c, err := r.readByte()
			if err != nil {
				return err
			}
			sum.Write([]byte{c})
		}
	}
	for _, flag := range []byte{named, commented} {
		if flags&flag == 0 {
			continue
		}
		for n, c := 0, byte(1); c != 0; n++ {
			if c, err = r.readByte(); err != nil {
				return err
			}
			if n >= nameBytes {
				return ErrHeader
			}
			sum.Write([]byte{c})
		}
	}
	if flags&checked != 0 {
		var want [2]byte
		if err := r.readFull(want[:]); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(want[:]) != uint16(sum.Sum32()) {
			return ErrHeader
		}
	}
	r.sum, r.size, r.summed, r.floor = 0, 0, r.made, r.made
	return nil
}

// endBlock goes on to the next block, or checks the end of the member.
func (r *Reader) endBlock() error {
	r.block = atBlock
	if !r.last {
		return nil
	}
	r.align()
	r.addUp()
	var trailer [8]byte
	if err := r.readFull(trailer[:]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(trailer[:]) != r.sum || binary.LittleEndian.Uint32(trailer[4:]) != r.size {
		return ErrChecksum
	}
	r.block = atMember
	return nil
}

// load reads more of the source behind what is left.
func (r *Reader) load() {
	if r.srcErr != nil {
		return
	}
	copy(r.in, r.in[r.pos:r.end])
	r.end -= r.pos
	r.pos = 0
	for range 100 {
		n, err := r.src.Read(r.in[r.end:])
		r.end += n
		if r.srcErr = err; n > 0 || err != nil {
			return
		}
	}
	r.srcErr = io.ErrNoProgress
}

// ended is the error where more input was needed.
func (r *Reader) ended() error {
	if r.srcErr == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return r.srcErr
}

// need tries to have n bits, at most 56; fewer are there at the end of the source.
func (r *Reader) need(n uint) {
	for r.count < n {
		if r.pos == r.end {
			if r.load(); r.pos == r.end {
				return
			}
		}
		r.bits |= uint64(r.in[r.pos]) << r.count
		r.pos++
		r.count += 8
	}
}

// take reads n bits, at most 16.
func (r *Reader) take(n uint) (uint, error) {
	r.need(n)
	if r.count < n {
		return 0, r.ended()
	}
	v := uint(r.bits & (1<<n - 1))
	r.drop(n)
	return v, nil
}

func (r *Reader) drop(n uint) {
	r.bits >>= n
	r.count -= n
}

// align drops what is left of a byte.
func (r *Reader) align() { r.drop(r.count & 7) }

// readByte reads a byte; the bits must be aligned.
func (r *Reader) readByte() (byte, error) {
	v, err := r.take(8)
	return byte(v), err
}

func (r *Reader) readFull(p []byte) error {
	for i := range p {
		c, err := r.readByte()
		if err != nil {
			return err
		}
		p[i] = c
	}
	return nil
}

// stored copies of a stored block; full says that there is no more room.
func (r *Reader) stored() (full bool, err error) {
	for r.left > 0 {
		room := r.out[r.made:min(len(r.out), r.made+r.left)]
		if len(room) == 0 {
			return true, nil
		}
		if r.count > 0 { // whole bytes that were read as bits
			room[0] = byte(r.bits)
			r.drop(8)
			r.made, r.left = r.made+1, r.left-1
			continue
		}
		r.bits = 0
		if r.pos == r.end {
			if r.load(); r.pos == r.end {
				return false, r.ended()
			}
		}
		n := copy(room, r.in[r.pos:r.end])
		r.pos, r.made, r.left = r.pos+n, r.made+n, r.left-n
	}
	return false, nil
}

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }
