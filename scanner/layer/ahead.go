package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"sync"
)

const (
	// blockBytes is how much passes from one goroutine to another in one go, and
	// blocks how many of them a stream has.
	blockBytes = 64 << 10
	blocks     = 4
)

// ahead reads and hashes its source in a goroutine of its own, a few blocks
// ahead of whoever unpacks: a layer has two hashes and is unpacked once, and one
// after the other they would leave a processor idle where an image has one layer.
type ahead struct {
	ready chan filled
	free  chan []byte
	stop  chan struct{}
	done  sync.WaitGroup
	sum   hash.Hash // the goroutine's until it is done

	block filled // what is being read
	rest  []byte // of block
	n     int64
	err   error
}

type filled struct {
	data []byte
	err  error
}

// readAhead starts to read. The caller ends it by close, whatever was read.
func readAhead(r io.Reader) *ahead {
	a := &ahead{ready: make(chan filled, blocks), free: make(chan []byte, blocks), stop: make(chan struct{}), sum: sha256.New()}
	for range blocks {
		a.free <- make([]byte, blockBytes)
	}
	a.done.Go(func() {
		for {
			var buf []byte
			select {
			case buf = <-a.free:
			case <-a.stop:
				return
			}
			n, err := r.Read(buf)
			a.sum.Write(buf[:n])
			a.ready <- filled{buf[:n], err} // there is room for every block
			if err != nil {
				return
			}
		}
	})
	return a
}

// Read implements io.Reader and remembers why the source failed.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.block.err != nil {
			if a.block.err != io.EOF {
				a.err = a.block.err
			}
			return 0, a.block.err
		}
		if a.block.data != nil {
			a.free <- a.block.data[:blockBytes]
		}
		a.block = <-a.ready
		a.rest = a.block.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	a.n += int64(n)
	return n, nil
}

// close makes the read that is under way the last. It does not wait for it: a
// source that hangs is woken by whoever closes it, after us.
func (a *ahead) close() { close(a.stop) }

// digest is that of the whole source; it is right once Read has returned io.EOF.
func (a *ahead) digest() string {
	a.done.Wait()
	return digestOf(a.sum)
}

// behind counts what is read through it and hashes it in a goroutine of its own.
type behind struct {
	r    io.Reader
	n    int64
	full chan []byte
	free chan []byte
	done sync.WaitGroup
	sum  hash.Hash // the goroutine's until it is done
	fill []byte
}

// hashBehind returns a reader of r. The caller ends it by close, whatever was read.
func hashBehind(r io.Reader) *behind {
	b := &behind{r: r, full: make(chan []byte, blocks), free: make(chan []byte, blocks), sum: sha256.New(), fill: make([]byte, 0, blockBytes)}
	for range blocks - 1 {
		b.free <- make([]byte, 0, blockBytes)
	}
	b.done.Go(func() {
		for data := range b.full {
			b.sum.Write(data)
			b.free <- data[:0] // there is room for every block
		}
	})
	return b
}

// Read implements io.Reader.
func (b *behind) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	for rest := p[:n]; len(rest) > 0; {
		k := copy(b.fill[len(b.fill):blockBytes], rest)
		b.fill, rest = b.fill[:len(b.fill)+k], rest[k:]
		if len(b.fill) == blockBytes {
			b.full <- b.fill
			b.fill = <-b.free
		}
	}
	return n, err
}

// close ends the goroutine. It is called once.
func (b *behind) close() {
	close(b.full)
	b.done.Wait()
}

// digest is that of all that was read, after close.
func (b *behind) digest() string {
	b.sum.Write(b.fill)
	b.fill = b.fill[:0]
	return digestOf(b.sum)
}

func digestOf(sum hash.Hash) string { return "sha256:" + hex.EncodeToString(sum.Sum(nil)) }
