package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/muster-sec/muster/syncer"
)

// encoder builds a message by appending fields.
type encoder []byte

func (e *encoder) uint(number, v uint64) {
	if v != 0 {
		e.value(number, binary.AppendUvarint(nil, v))
	}
}

func (e *encoder) bool(number uint64, v bool) {
	if v {
		e.uint(number, 1)
	}
}

func (e *encoder) string(number uint64, v string) {
	if v != "" {
		e.value(number, []byte(v))
	}
}

func (e *encoder) bytes(number uint64, v []byte) {
	if len(v) != 0 {
		e.value(number, v)
	}
}

func (e *encoder) hash(number uint64, v syncer.Hash) {
	if !v.IsZero() {
		e.value(number, v[:])
	}
}

// value appends a field even when it is empty, as elements of lists need it.
func (e *encoder) value(number uint64, v []byte) {
	*e = binary.AppendUvarint(*e, number)
	*e = binary.AppendUvarint(*e, uint64(len(v)))
	*e = append(*e, v...)
}

// field is one decoded field. A value of the wrong form is remembered in err,
// which scan returns.
type field struct {
	value []byte
	err   *error
}

func (f field) uint() uint64 {
	v, n := binary.Uvarint(f.value)
	if n <= 0 || n != len(f.value) {
		f.fail("is not a number")
	}
	return v
}

func (f field) bool() bool { return f.uint() == 1 }

func (f field) string() string { return string(f.value) }

// bytes returns the value without copying it.
func (f field) bytes() []byte { return f.value }

func (f field) hash() (h syncer.Hash) {
	f.fixed(h[:])
	return h
}

// fixed copies a value that must have exactly the length of into.
func (f field) fixed(into []byte) {
	if len(f.value) != len(into) {
		f.fail("has the wrong length")
		return
	}
	copy(into, f.value)
}

func (f field) class() syncer.Class {
	v := f.uint()
	if v > uint64(syncer.LastClass) {
		f.fail("is not a class")
	}
	return syncer.Class(v)
}

func (f field) fail(why string) {
	if *f.err == nil {
		*f.err = fmt.Errorf("value %s: %w", why, syncer.ErrCorrupt)
	}
}

func (f field) check(err error) {
	if *f.err == nil && err != nil {
		*f.err = err
	}
}

// scan calls known for each field of a message; known returns false for a number
// that it has no use for, which is an error when the number is even.
func scan(name string, body []byte, known func(number uint64, f field) bool) error {
	for len(body) > 0 {
		number, n := binary.Uvarint(body)
		if n <= 0 {
			return fmt.Errorf("wire: %s: torn field number: %w", name, syncer.ErrCorrupt)
		}
		size, m := binary.Uvarint(body[n:])
		if m <= 0 || size > uint64(len(body)-n-m) {
			return fmt.Errorf("wire: %s: field %d is torn: %w", name, number, syncer.ErrCorrupt)
		}
		var err error
		start := n + m
		end := start + int(size)
		if !known(number, field{value: body[start:end], err: &err}) && number%2 == 0 {
			return fmt.Errorf("wire: %s: field %d is mandatory and unknown: %w", name, number, syncer.ErrVersion)
		}
		if err != nil {
			return fmt.Errorf("wire: %s: field %d: %w", name, number, err)
		}
		body = body[end:]
	}
	return nil
}
