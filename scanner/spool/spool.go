// Package spool gives random access to files that come as a stream, in memory
// and within a budget: archives, executables and package databases cannot be
// understood front to back. Nothing is written to disk. What is held lies
// outside the garbage collector's heap where the system allows it, so that a
// file of a hundred megabytes costs a hundred megabytes and only while it is
// read.
package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/semaphore"

	"github.com/muster-sec/muster/scanner/limit"
)

// ErrSize says that a stream is shorter than its size claimed.
var ErrSize = errors.New("spool: stream ends early")

// small files come from the heap: mapping memory costs more than they do.
const small = 256 << 10

// Budget is how much memory all files held at the same time may take. It is safe
// for concurrent use.
type Budget struct {
	max  int64
	free *semaphore.Weighted
}

// New returns a budget of max bytes; that is also the largest file it can hold.
func New(max int64) *Budget { return &Budget{max: max, free: semaphore.NewWeighted(max)} }

// Max returns the size of the largest file that can be held.
func (b *Budget) Max() int64 { return b.max }

// Body returns the reader of a file of this size which Hold can take into
// memory. The context ends the wait for memory. It is for one goroutine.
func (b *Budget) Body(ctx context.Context, r io.Reader, size int64) io.Reader {
	return &body{Reader: r, wait: func(n int64) error { return b.free.Acquire(ctx, n) }, budget: b, size: size}
}

type body struct {
	io.Reader
	wait   func(int64) error
	budget *Budget
	size   int64
	held   *File
}

// File is a file in memory. Its content must not be used after Close.
type File struct {
	data    []byte
	scratch []byte
	close   func() error
}

// Hold reads the whole of a file of this size into memory. A reader that came
// from a Budget waits until there is room; any other is read onto the heap. A
// file of more than max bytes, or larger than the budget, is an error of package
// limit under the given name. Nothing else may be held while Hold waits.
func Hold(r io.Reader, size, max int64, name string) (*File, error) {
	return HoldWithScratch(r, size, max, 0, name)
}

// HoldWithScratch is Hold with so many bytes of memory beside the file, for what
// has to be unpacked while it is held.
func HoldWithScratch(r io.Reader, size, max, scratch int64, name string) (*File, error) {
	b, budgeted := r.(*body)
	if budgeted {
		max = min(max, b.budget.max-scratch)
	}
	if err := limit.Check(name, max, size); err != nil {
		return nil, err
	}
	if !budgeted || b.held != nil {
		f := &File{close: func() error { return nil }, scratch: make([]byte, scratch)}
		if budgeted {
			f.data = b.held.data
			return f, nil
		}
		f.data = make([]byte, size)
		return f, f.fill(r)
	}
	if err := b.wait(size + scratch); err != nil {
		return nil, fmt.Errorf("spool: wait for memory: %w", err)
	}
	all, release, err := memory(size + scratch)
	if err != nil {
		b.budget.free.Release(size + scratch)
		return nil, fmt.Errorf("spool: %w", err)
	}
	f := &File{data: all[:size:size], scratch: all[size:], close: func() error {
		defer b.budget.free.Release(size + scratch)
		return release()
	}}
	if err := f.fill(r); err != nil {
		return nil, err
	}
	return f, nil
}

// Peek returns the first bytes of a file, n or as many as there are, and a reader
// of the whole file that takes the place of the first.
func Peek(r io.Reader, n int) ([]byte, io.Reader, error) {
	first := make([]byte, n)
	read, err := io.ReadFull(r, first)
	first = first[:read]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, r, err
	}
	if b, ok := r.(*body); ok {
		b.Reader = io.MultiReader(bytes.NewReader(first), b.Reader)
		return first, b, nil
	}
	return first, io.MultiReader(bytes.NewReader(first), r), nil
}

// Share holds a file so that several readers can read it from its start, each
// with Hold at no further cost. The caller closes the file after the last.
func Share(r io.Reader, size int64, name string) (*File, func() io.Reader, error) {
	f, err := Hold(r, size, size, name)
	if err != nil {
		return nil, nil, err
	}
	b, budgeted := r.(*body)
	if !budgeted {
		return f, func() io.Reader { return bytes.NewReader(f.data) }, nil
	}
	return f, func() io.Reader {
		return &body{Reader: bytes.NewReader(f.data), budget: b.budget, size: size, held: f}
	}, nil
}

// fill reads the content; when that fails the file is closed.
func (f *File) fill(r io.Reader) error {
	n, err := io.ReadFull(r, f.data)
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %d of %d bytes", ErrSize, n, len(f.data))
	}
	return errors.Join(err, f.Close())
}

// memory returns n bytes and how to give them back.
func memory(n int64) ([]byte, func() error, error) {
	if n <= small {
		return make([]byte, n), func() error { return nil }, nil
	}
	return mapped(n)
}

// Bytes returns the content. It is only valid until Close, and must not be kept.
func (f *File) Bytes() []byte { return f.data }

// Scratch returns the memory that was asked for beside the file. It is valid as
// long as the content.
func (f *File) Scratch() []byte { return f.scratch }

// Size returns the number of bytes.
func (f *File) Size() int64 { return int64(len(f.data)) }

// Reader returns a reader over the content with all the abilities of bytes.Reader.
func (f *File) Reader() *bytes.Reader { return bytes.NewReader(f.data) }

// Close gives the memory back. It is called once.
func (f *File) Close() error {
	f.data, f.scratch = nil, nil
	return f.close()
}
