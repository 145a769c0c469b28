package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

const (
	// stall bounds how long one write may block before the link counts as dead.
	stall = 30 * time.Second
	// gather is up to how much small frames are joined into one write.
	gather = 64 << 10
	// idle is how long a frame that nobody waits for may lie, so that others can
	// join it and a storm of acknowledgements does not meet the storm of batches
	// that caused it.
	idle = 25 * time.Millisecond
)

// pipe moves frames over the feed of one session: one goroutine reads, one writes,
// so that neither direction waits for the other. What waits to be written is
// bounded.
type pipe struct {
	conn   net.Conn
	frames chan wire.Frame
	heard  atomic.Int64

	mu     sync.Mutex
	queue  []wire.Frame
	queued int
	limit  int
	idling bool
	ready  chan struct{}
}

func newPipe(conn net.Conn, limit int) *pipe {
	return &pipe{conn: conn, frames: make(chan wire.Frame), limit: limit, ready: make(chan struct{}, 1)}
}

// run moves frames until the connection fails or ctx ends, closes the connection
// and returns the first cause.
func (p *pipe) run(ctx context.Context, limits wire.Limits, now func() time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	defer cancel(nil)
	var writer sync.WaitGroup
	writer.Go(func() { cancel(p.write(ctx)) })
	cancel(p.read(ctx, limits, now))
	writer.Wait()
	return context.Cause(ctx)
}

func (p *pipe) read(ctx context.Context, limits wire.Limits, now func() time.Time) error {
	defer close(p.frames)
	reader := wire.NewReader(p.conn, limits, func() { p.heard.Store(now().UnixNano()) })
	for {
		f, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("link: peer closed the connection: %w", err)
		}
		if err != nil {
			return err
		}
		select {
		case p.frames <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lastHeard returns when the last chunk came, the zero time before the first.
func (p *pipe) lastHeard() time.Time {
	if at := p.heard.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// send queues a frame. It fails with [syncer.ErrTooLarge] when the peer takes so
// little that too much waits already; one frame is always taken.
func (p *pipe) send(f wire.Frame) error {
	if err := p.enqueue(f); err != nil {
		return err
	}
	signal(p.ready)
	return nil
}

// sendIdly is send for frames that may lie for a moment.
func (p *pipe) sendIdly(f wire.Frame) error {
	if err := p.enqueue(f); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.idling {
		p.idling = true
		time.AfterFunc(idle, func() {
			p.mu.Lock()
			p.idling = false
			p.mu.Unlock()
			signal(p.ready)
		})
	}
	return nil
}

func (p *pipe) enqueue(f wire.Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queued > 0 && p.queued+f.Size() > p.limit {
		return fmt.Errorf("link: peer does not read, %d bytes wait: %w", p.queued, syncer.ErrTooLarge)
	}
	p.queue, p.queued = append(p.queue, f), p.queued+f.Size()
	return nil
}

// signal wakes whoever waits on ch, now or next.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// take returns queued frames as bytes, small ones together.
func (p *pipe) take(buf []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 && (len(buf) == 0 || len(buf)+p.queue[0].Size() <= gather) {
		f := p.queue[0]
		p.queue[0] = wire.Frame{}
		p.queue, p.queued = p.queue[1:], p.queued-f.Size()
		buf = f.Append(buf)
	}
	return buf
}

func (p *pipe) write(ctx context.Context) error {
	var buf []byte
	for {
		if buf = p.take(buf[:0]); len(buf) > 0 {
			if err := p.flush(buf); err != nil {
				return err
			}
			if cap(buf) > 4*gather {
				buf = nil // a large record does not stay in memory
			}
			continue
		}
		select {
		case <-p.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush writes in pieces, so that the deadline is one of progress.
func (p *pipe) flush(buf []byte) error {
	for len(buf) > 0 {
		piece := buf[:min(len(buf), wire.ChunkSize)]
		if err := p.conn.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return fmt.Errorf("link: write: %w", err)
		}
		if _, err := p.conn.Write(piece); err != nil {
			return fmt.Errorf("link: write: %w", err)
		}
		buf = buf[len(piece):]
	}
	return nil
}
