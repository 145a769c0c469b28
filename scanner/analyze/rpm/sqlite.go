package rpm

import (
	"encoding/binary"
	"fmt"
)

// The part of SQLite's file format (https://sqlite.org/fileformat2.html) that it
// takes to read all rows of one table: a database of an unknown author is safer
// in a reader of two hundred lines than in a whole database engine, and needs no
// file.
const (
	sqliteMagic        = "SQLite format 3\x00"
	sqliteHeader       = 100
	sqliteInteriorPage = 0x05
	sqliteLeafPage     = 0x0d
	// sqliteDepth bounds the height of a tree; one of four levels holds any file.
	sqliteDepth = 20
	// packagesTable is where rpm keeps its headers.
	packagesTable = "Packages"
)

type sqlite struct {
	data   []byte
	size   uint64 // of a page
	usable uint64 // of a page without the reserved end
	// used marks the pages that were read, each of which belongs to one place.
	used    []bool
	payload []byte
}

func eachSQLite(data []byte, f func([]byte) error) error {
	s, err := newSQLite(data)
	if err != nil {
		return err
	}
	root := uint64(0)
	err = s.walk(1, 0, func(record []byte) error {
		// sqlite_schema: type, name, tbl_name, rootpage, sql.
		columns, err := recordColumns(record, 4)
		if err != nil {
			return err
		}
		if string(columns[0].value) == "table" && string(columns[1].value) == packagesTable {
			root = columns[3].integer()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if root == 0 {
		return fmt.Errorf("%w: no table of packages", errMalformed)
	}
	return s.walk(root, 0, func(record []byte) error {
		columns, err := recordColumns(record, 2)
		if err != nil {
			return err
		}
		return f(columns[1].value)
	})
}

func newSQLite(data []byte) (*sqlite, error) {
	if len(data) < 512 {
		return nil, fmt.Errorf("%w: SQLite file of %d bytes", errMalformed, len(data))
	}
	s := &sqlite{data: data, size: uint64(binary.BigEndian.Uint16(data[16:]))}
	if s.size == 1 {
		s.size = 64 << 10
	}
	if s.size < 512 || s.size&(s.size-1) != 0 || s.size-uint64(data[20]) < 480 {
		return nil, fmt.Errorf("%w: pages of %d bytes", errMalformed, s.size)
	}
	s.usable = s.size - uint64(data[20])
	s.used = make([]bool, uint64(len(data))/s.size+1)
	return s, nil
}

// page returns a page by its number, which counts from one, and marks it.
func (s *sqlite) page(number uint64) ([]byte, error) {
	if number == 0 || number >= uint64(len(s.used)) || s.used[number] {
		return nil, fmt.Errorf("%w: page %d is absent or used twice", errMalformed, number)
	}
	s.used[number] = true
	return s.data[(number-1)*s.size : number*s.size], nil
}

// walk calls f with the record of each row of the table below a page.
func (s *sqlite) walk(number uint64, depth int, f func(record []byte) error) error {
	page, err := s.page(number)
	if err != nil {
		return err
	}
	if depth > sqliteDepth {
		return fmt.Errorf("%w: tree of more than %d levels", errMalformed, sqliteDepth)
	}
	head := page
	if number == 1 {
		head = page[sqliteHeader:]
	}
	kind, cells := head[0], uint64(binary.BigEndian.Uint16(head[3:]))
	pointers := uint64(len(page)-len(head)) + 8
	if kind == sqliteInteriorPage {
		pointers += 4
	}
	if kind != sqliteInteriorPage && kind != sqliteLeafPage || pointers+cells*2 > s.usable {
		return fmt.Errorf("%w: page %d", errMalformed, number)
	}
	for i := range cells {
		cell := uint64(binary.BigEndian.Uint16(page[pointers+i*2:]))
		if cell+4 > s.usable {
			return fmt.Errorf("%w: cell in page %d", errMalformed, number)
		}
		if kind == sqliteInteriorPage {
			err = s.walk(uint64(binary.BigEndian.Uint32(page[cell:])), depth+1, f)
		} else {
			err = s.cell(page[cell:s.usable], f)
		}
		if err != nil {
			return err
		}
	}
	if kind == sqliteInteriorPage {
		return s.walk(uint64(binary.BigEndian.Uint32(head[8:])), depth+1, f)
	}
	return nil
}

// cell reads one row: the length of its record, its row id, and the record, of
// which only the beginning may lie in the page and the rest in a chain of others.
func (s *sqlite) cell(cell []byte, f func([]byte) error) error {
	length, n := uvarint(cell)
	_, m := uvarint(cell[n:])
	if n == 0 || m == 0 || length > maxHeader+1024 {
		return fmt.Errorf("%w: record of %d bytes", errMalformed, length)
	}
	cell = cell[n+m:]
	local := s.local(length)
	if uint64(len(cell)) < local || local < length && uint64(len(cell)) < local+4 {
		return fmt.Errorf("%w: record of %d bytes", errMalformed, length)
	}
	if local == length {
		return f(cell[:length])
	}
	s.payload = append(s.payload[:0], cell[:local]...)
	next := uint64(binary.BigEndian.Uint32(cell[local:]))
	for uint64(len(s.payload)) < length {
		page, err := s.page(next)
		if err != nil {
			return err
		}
		part := min(s.usable-4, length-uint64(len(s.payload)))
		s.payload = append(s.payload, page[4:4+part]...)
		next = uint64(binary.BigEndian.Uint32(page))
	}
	return f(s.payload)
}

// local is how much of a record lies in its leaf page ("Cell Payload Overflow
// Pages" of the file format).
func (s *sqlite) local(length uint64) uint64 {
	largest := s.usable - 35
	if length <= largest {
		return length
	}
	least := (s.usable-12)*32/255 - 23
	if k := least + (length-least)%(s.usable-4); k <= largest {
		return k
	}
	return least
}

// column is one value of a record.
type column struct {
	kind  uint64
	value []byte
}

// integer returns the value of an integer column, 0 for any other.
func (c column) integer() uint64 {
	if c.kind == 9 {
		return 1
	}
	if c.kind == 0 || c.kind > 6 {
		return 0
	}
	var v uint64
	for _, b := range c.value {
		v = v<<8 | uint64(b)
	}
	return v
}

// recordColumns reads the first columns of a record ("Record Format").
func recordColumns(record []byte, want int) ([]column, error) {
	length, n := uvarint(record)
	if n == 0 || length < uint64(n) || length > uint64(len(record)) {
		return nil, fmt.Errorf("%w: record header", errMalformed)
	}
	kinds, values := record[n:length], record[length:]
	columns := make([]column, 0, want)
	for len(columns) < want {
		kind, n := uvarint(kinds)
		size := columnBytes(kind)
		if n == 0 || size > uint64(len(values)) {
			return nil, fmt.Errorf("%w: record of %d columns, expected %d", errMalformed, len(columns), want)
		}
		columns = append(columns, column{kind, values[:size]})
		kinds, values = kinds[n:], values[size:]
	}
	return columns, nil
}

func columnBytes(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind <= 4:
		return kind
	case kind == 5:
		return 6
	case kind == 6 || kind == 7:
		return 8
	}
	return 0
}

// uvarint reads a number of one to nine bytes, the most significant first. It
// returns 0 bytes when there are too few.
func uvarint(data []byte) (v uint64, n int) {
	for n < len(data) {
		b := data[n]
		n++
		if n == 9 {
			return v<<8 | uint64(b), n
		}
		v = v<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return v, n
		}
	}
	return 0, 0
}
