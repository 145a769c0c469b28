package plughost

import (
	"io"
	"time"

	"golang.org/x/time/rate"
)

const (
	outputPerSecond = 1 << 20 // bytes of a plugin's output that are read
	outputBurst     = 4 << 20 // a panic's stack comes at once
)

// pace lets a plugin's output pass no faster than is good for the host. A
// plugin that floods it waits in its own write call.
type pace struct {
	limit *rate.Limiter
	ended <-chan struct{} // the process is gone: what is left is little
}

func newPace(ended <-chan struct{}) pace {
	return pace{limit: rate.NewLimiter(outputPerSecond, outputBurst), ended: ended}
}

// wait waits as long as the rate demands after n bytes.
func (p pace) wait(n int) {
	wait := p.limit.ReserveN(time.Now(), min(n, outputBurst)).Delay()
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ended:
	}
}

// pacedReader reads what a process writes to a pipe.
type pacedReader struct {
	io.ReadCloser
	pace pace
}

// Read reads, and then waits as long as the rate demands.
func (r pacedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.pace.wait(n)
	return n, err
}

// pacedWriter takes what a process sends over its connection as its output.
type pacedWriter struct {
	io.Writer
	pace pace
}

// Write writes, and then waits as long as the rate demands.
func (w pacedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.pace.wait(n)
	return n, err
}
