package cmd

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/muster-sec/muster/cli/output"
)

const (
	barWidth = 24
	// lineEvery bounds how often progress writes a line where it cannot redraw one.
	lineEvery = 5 * time.Second
)

// progress tells a person how far something has come: one line redrawn on a
// terminal, now and then a new line elsewhere (a CI log).
type progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	said     string
	saidAt   time.Time
}

func (in *invocation) progress() *progress {
	return &progress{w: in.Stderr, terminal: in.Terminal.Stderr, now: in.Now}
}

// update shows that done of total is over; a total of 0 is not known yet.
func (p *progress) update(done, total int, what string) {
	what = output.Clean(what)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s %s", bar(done, total), what)
		return
	}
	text := fmt.Sprintf("%d/%d %s", done, total, what)
	now := p.now()
	if text == p.said || (!p.saidAt.IsZero() && now.Sub(p.saidAt) < lineEvery) {
		return
	}
	p.said, p.saidAt = text, now
	fmt.Fprintln(p.w, text)
}

// end leaves the terminal's line free for what follows.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func bar(done, total int) string {
	filled := 0
	if total > 0 {
		filled = min(barWidth, max(0, done)*barWidth/total)
	}
	return fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), done, total)
}
