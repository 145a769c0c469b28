package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxDocument = 256 << 20 // bytes
	// MaxValue is how many bytes one token, package or finding may have.
	MaxValue = 8 << 20
)

// boundedReader stands between a document and its decoder. It ends documents
// that are too large, and single values that are too large for the decoder to
// hold, and keeps the error that ended it.
type boundedReader struct {
	r    io.Reader
	tail func() int64 // how far the decoder has understood
	head []byte       // the first bytes, for error texts
	read int64        // bytes handed on
	err  error        // other than io.EOF
}

// Read reads on, within the limits.
func (b *boundedReader) Read(p []byte) (int, error) {
	switch {
	case b.read > maxDocument:
		b.err = fmt.Errorf("%w: the document has more than %d bytes", sdk.ErrLimit, maxDocument)
	case b.read-b.tail() > MaxValue:
		b.err = fmt.Errorf("%w: the value at byte %d has more than %d bytes", sdk.ErrLimit, b.tail(), MaxValue)
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	if b.head == nil && n > 0 {
		n = b.begin(p, n)
	}
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// begin notes how the document begins and cuts a byte order mark off.
func (b *boundedReader) begin(p []byte, n int) int {
	for n < 3 { // a mark must not fall between two reads
		m, err := b.r.Read(p[n:])
		n += m
		if err != nil {
			break // and comes again at the next read
		}
	}
	b.head = bytes.Clone(p[:min(n, 3)])
	if rest := trimBOM(p[:n]); len(rest) < n {
		n = copy(p, rest)
	}
	return n
}

// trimBOM cuts the mark that some editors put before UTF-8.
func trimBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")) }
