package gunzip

import "encoding/binary"

const (
	// A round of the quick loop reads two words of input at most.
	quickIn = 16
	// It gives up to three literals and a match, which is copied by words.
	quickOut = 3 + longest + 8
)

// codes decodes a block to its end, or until there is no room.
func (r *Reader) codes() (full bool, err error) {
	for {
		if r.end-r.pos < quickIn {
			r.load()
		}
		if len(r.out)-r.made < quickOut {
			return true, nil
		}
		var done bool
		if r.end-r.pos >= quickIn {
			done, err = r.quick()
		} else {
			done, err = r.careful()
		}
		if done || err != nil {
			return false, err
		}
	}
}

// quick decodes while there is input and room for whatever a round needs. done
// says that the block is over.
func (r *Reader) quick() (done bool, err error) {
	in, out := r.in[:r.end], r.out
	pos, made := r.pos, r.made
	hold, count := r.bits, r.count
	lit, dist := &r.tables.lit, &r.tables.dist
	lastPos, lastMade, floor := len(in)-quickIn, len(out)-quickOut, r.floor
	for pos <= lastPos && made <= lastMade {
		// At least 56 bits: a length and a distance take up to 48.
		hold |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
		pos += int((63 - count) >> 3)
		count |= 56
		e := lit[hold&(1<<litBits-1)]
		if e&literal != 0 {
			hold >>= e & codeMask & 63
			count -= e.code()
			out[made] = byte(e >> valueShift)
			made++
			if e = lit[hold&(1<<litBits-1)]; e&literal != 0 {
				hold >>= e & codeMask & 63
				count -= e.code()
				out[made] = byte(e >> valueShift)
				made++
				if e = lit[hold&(1<<litBits-1)]; e&literal != 0 {
					hold >>= e & codeMask & 63
					count -= e.code()
					out[made] = byte(e >> valueShift)
					made++
					continue
				}
			}
			hold |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
			pos += int((63 - count) >> 3)
			count |= 56
		}
		if e&special != 0 {
			if e&deeper != 0 {
				hold >>= litBits
				count -= litBits
				e = lit[(uint64(e>>valueShift)+hold&(1<<e.more()-1))&(litTable-1)]
			}
			if e&literal != 0 {
				hold >>= e & codeMask & 63
				count -= e.code()
				out[made] = byte(e >> valueShift)
				made++
				continue
			}
			if e&special != 0 {
				done = e&endBlock != 0
				if !done {
					err = corrupt("no such code")
				}
				hold >>= e & codeMask & 63
				count -= e.code()
				break
			}
		}
		hold >>= e & codeMask & 63
		length := int(e>>valueShift) + int(hold&(1<<(e.more()&63)-1))
		hold >>= e.more() & 63
		count -= e.code() + e.more()

		d := dist[hold&(1<<distBits-1)]
		if d&special != 0 {
			if d&deeper != 0 {
				hold >>= distBits
				count -= distBits
				d = dist[(uint64(d>>valueShift)+hold&(1<<d.more()-1))&(distTable-1)]
			}
			if d&special != 0 {
				err = corrupt("no such distance")
				break
			}
		}
		hold >>= d & codeMask & 63
		distance := int(d>>valueShift) + int(hold&(1<<(d.more()&63)-1))
		hold >>= d.more() & 63
		count -= d.code() + d.more()
		from := made - distance
		if from < floor {
			err = corrupt("a match before the beginning")
			break
		}
		copyMatch(out, made, from, length)
		made += length
	}
	r.pos, r.made, r.bits, r.count = pos, made, hold, count
	return done, err
}

// copyMatch copies a match that may overlap with itself. Up to 13 bytes behind
// it are overwritten.
func copyMatch(out []byte, to, from, length int) {
	distance := to - from
	switch {
	case distance >= length && length > 32:
		copy(out[to:to+length], out[from:])
	case distance >= 8:
		// Most matches are short: two words without asking.
		dst, src := out[to:to+longest+8], out[from:from+longest+8]
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src))
		binary.LittleEndian.PutUint64(dst[8:], binary.LittleEndian.Uint64(src[8:]))
		for i := 16; i < length; i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:]))
		}
	default:
		// The pattern grows till a word holds it in whole.
		for i := range min(length, 8) {
			out[to+i] = out[from+i]
		}
		if length <= 8 {
			return
		}
		step := distance * (8 / distance) // a multiple of the pattern, more than four
		dst := out[to : to+length+8]
		for i := 8; i < length; i += step {
			binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(dst[i-step:]))
		}
	}
}

// careful decodes one symbol near the end of the input.
func (r *Reader) careful() (done bool, err error) {
	e, err := r.symbol(r.tables.lit[:], litBits)
	if err != nil {
		return false, err
	}
	switch {
	case e&literal != 0:
		r.out[r.made] = byte(e.value())
		r.made++
		return false, nil
	case e&endBlock != 0:
		return true, nil
	}
	length, err := r.take(e.more())
	if err != nil {
		return false, err
	}
	d, err := r.symbol(r.tables.dist[:], distBits)
	if err != nil {
		return false, err
	}
	distance, err := r.take(d.more())
	if err != nil {
		return false, err
	}
	from := r.made - d.value() - int(distance)
	if from < r.floor {
		return false, corrupt("a match before the beginning")
	}
	n := e.value() + int(length)
	copyMatch(r.out, r.made, from, n)
	r.made += n
	return false, nil
}

// symbol reads a code of a table.
func (r *Reader) symbol(table []entry, first uint) (entry, error) {
	r.need(maxCode)
	e, used := table[r.bits&(1<<first-1)], uint(0)
	if e&deeper != 0 {
		used = first
		e = table[e.value()+int(r.bits>>first&(1<<e.more()-1))]
	}
	used += e.code()
	if used > r.count {
		return 0, r.ended()
	}
	if e&special != 0 && e&endBlock == 0 {
		if r.count < maxCode {
			return 0, r.ended()
		}
		return 0, corrupt("no such code")
	}
	r.drop(used)
	return e, nil
}
