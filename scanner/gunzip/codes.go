package gunzip

import (
	"encoding/binary"
	"math/bits"
)

const (
	// How many bits of the input a table is looked up with; longer codes lead to
	// a second table.
	litBits  = 11
	distBits = 8
	maxCode  = 15

	// Room for the first table and one of the second kind for each pair of codes
	// that are longer: powers of two, so that a masked index needs no check.
	litTable  = 8192
	distTable = 4096
)

// entry is what a table says about the next bits: in its low byte how many of
// them the code takes, then how many more belong to the value, and the value.
type entry uint32

const (
	codeMask   = 0xff
	extraShift = 8
	extraMask  = 0xf
	// kinds; a length or a distance has none of them.
	special  = 1 << 12 // one of the following two, or else no code at all
	deeper   = 1 << 13 // the value is where the second table begins, extra how many bits it takes
	endBlock = 1 << 14
	literal  = 1 << 15

	valueShift = 16
)

func (e entry) code() uint { return uint(e & codeMask) }
func (e entry) more() uint { return uint(e >> extraShift & extraMask) }
func (e entry) value() int { return int(e >> valueShift) }

// tables are the codes of the current block.
type tables struct {
	lit     [litTable]entry
	dist    [distTable]entry
	lengths [288 + 32]byte
}

// blockHeader reads what kind of block comes, and its codes.
func (r *Reader) blockHeader() error {
	v, err := r.take(3)
	if err != nil {
		return err
	}
	r.last = v&1 != 0
	switch v >> 1 {
	case 0:
		r.align()
		var sizes [4]byte
		if err := r.readFull(sizes[:]); err != nil {
			return err
		}
		n := binary.LittleEndian.Uint16(sizes[:])
		if n != ^binary.LittleEndian.Uint16(sizes[2:]) {
			return corrupt("the size of a stored block")
		}
		r.block, r.left = inStored, int(n)
		return nil
	case 1:
		r.fixedCodes()
	case 2:
		if err := r.dynamicCodes(); err != nil {
			return err
		}
	default:
		return corrupt("an unknown kind of block")
	}
	r.block = inCodes
	return nil
}

// fixedCodes are those of RFC 1951, 3.2.6.
func (r *Reader) fixedCodes() {
	l := &r.tables.lengths
	for i := range 288 {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	for i := range 32 {
		l[288+i] = 5
	}
	buildTable(r.tables.lit[:], l[:288], litBits, litEntry)
	buildTable(r.tables.dist[:], l[288:], distBits, distEntry)
}

// dynamicCodes reads the codes of a block (RFC 1951, 3.2.7).
func (r *Reader) dynamicCodes() error {
	v, err := r.take(14)
	if err != nil {
		return err
	}
	lits, dists, own := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if lits > 286 || dists > 30 {
		return corrupt("too many codes")
	}
	// The lengths of the codes are themselves coded; that table is small and is
	// kept where the distances will be.
	var ownLengths [19]byte
	for _, symbol := range []byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:own] {
		n, err := r.take(3)
		if err != nil {
			return err
		}
		ownLengths[symbol] = byte(n)
	}
	table := r.tables.dist[:]
	if !buildTable(table, ownLengths[:], distBits, plainEntry) {
		return corrupt("the codes of code lengths")
	}
	l := r.tables.lengths[:lits+dists]
	for i := 0; i < len(l); {
		e, err := r.plain(table)
		if err != nil {
			return err
		}
		if e < 16 {
			l[i] = byte(e)
			i++
			continue
		}
		least, more, value := 3, uint(2), byte(0)
		switch e {
		case 16:
			if i == 0 {
				return corrupt("a repetition of nothing")
			}
			value = l[i-1]
		case 17:
			more = 3
		case 18:
			least, more = 11, 7
		}
		extra, err := r.take(more)
		if err != nil {
			return err
		}
		n := least + int(extra)
		if n > len(l)-i {
			return corrupt("too many code lengths")
		}
		for range n {
			l[i] = value
			i++
		}
	}
	if !buildTable(r.tables.lit[:], l[:lits], litBits, litEntry) || !buildTable(table, l[lits:], distBits, distEntry) {
		return corrupt("codes that are not a prefix code")
	}
	return nil
}

// plain reads one symbol of a table without a second one.
func (r *Reader) plain(table []entry) (int, error) {
	r.need(maxCode)
	e := table[r.bits&(1<<distBits-1)]
	switch {
	case e&special != 0 && r.count >= distBits:
		return 0, corrupt("no such code")
	case e&special != 0 || e.code() > r.count:
		return 0, r.ended()
	}
	r.drop(e.code())
	return e.value(), nil
}

// buildTable fills a table for the canonical code with these lengths by symbol,
// and says whether there is one: neither too many codes nor too few, but for a
// single code of one bit, and for no code at all.
func buildTable(table []entry, lengths []byte, first uint, entryOf func(symbol int) entry) bool {
	var counts [maxCode + 1]int
	longestCode := uint(0)
	for _, l := range lengths {
		counts[l]++
		longestCode = max(longestCode, uint(l))
	}
	counts[0] = 0
	var next [maxCode + 2]int
	code := 0
	for l := 1; l <= int(longestCode); l++ {
		code <<= 1
		next[l] = code
		code += counts[l]
		if code > 1<<l {
			return false
		}
	}
	complete := longestCode == 0 || code == 1<<longestCode || code == 1 && longestCode == 1
	if !complete {
		return false
	}
	for i := range 1 << first {
		table[i] = special
	}
	second, free := uint(0), 1<<first
	if longestCode > first {
		second = longestCode - first
	}
	for symbol, length := range lengths {
		if length == 0 {
			continue
		}
		l := uint(length)
		// Codes come with their first bit lowest.
		reversed := int(bits.Reverse16(uint16(next[l])) >> (16 - l))
		next[l]++
		e := entryOf(symbol)
		if l <= first {
			for i := reversed; i < 1<<first; i += 1 << l {
				table[i] = e | entry(l)
			}
			continue
		}
		at := reversed & (1<<first - 1)
		if table[at]&deeper == 0 {
			table[at] = special | deeper | entry(free)<<valueShift | entry(second)<<extraShift | entry(first)
			for i := range 1 << second {
				table[free+i] = special
			}
			free += 1 << second
		}
		start := table[at].value()
		for i := reversed >> first; i < 1<<second; i += 1 << (l - first) {
			table[start+i] = e | entry(l-first)
		}
	}
	return true
}

func plainEntry(symbol int) entry { return entry(symbol) << valueShift }

// litEntry is a literal, a length or the end of a block (RFC 1951, 3.2.5).
func litEntry(symbol int) entry {
	switch {
	case symbol < 256:
		return literal | entry(symbol)<<valueShift
	case symbol == 256:
		return special | endBlock
	case symbol < 265:
		return entry(symbol-254) << valueShift
	case symbol < 285:
		more := (symbol - 261) / 4
		return entry((4+(symbol-261)%4)<<more+3)<<valueShift | entry(more)<<extraShift
	case symbol == 285:
		return entry(longest) << valueShift
	}
	return special
}

// distEntry is a distance (RFC 1951, 3.2.5).
func distEntry(symbol int) entry {
	switch {
	case symbol < 4:
		return entry(symbol+1) << valueShift
	case symbol < 30:
		more := (symbol - 2) / 2
		return entry((2+symbol%2)<<more+1)<<valueShift | entry(more)<<extraShift
	}
	return special
}
