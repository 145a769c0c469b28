package plughost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/plugins/sdk"
)

// recognition says how long a document waits for the plugins that might know
// it: one plugin that is ill must not hold up what another one reads.
type recognition struct {
	start  time.Duration // for a plugin that has to be started first
	answer time.Duration // for one that runs: it looks at 64 KiB
	grace  time.Duration // for those declared before the first that knows the document
}

func defaultRecognition() recognition {
	return recognition{start: 10 * time.Second, answer: 3 * time.Second, grace: time.Second}
}

// Recognize returns the name of the ingest plugin that reads documents with
// such first bytes. All are asked at once. Of several that read the document
// the one that is declared first gets it, built-ins last; but once one is
// found, those before it have only a moment left. Plugins that are down are
// passed over, and so are those that fail, as long as another one reads the
// document.
func (d *Documents) Recognize(ctx context.Context, head []byte) (format string, err error) {
	names := d.host.names(sdk.KindIngest)
	patience := d.host.opts.recognition
	at, err := firstOf(ctx, len(names), patience.grace, func(ctx context.Context, i int) (bool, error) {
		found, err := d.host.recognizes(ctx, names[i], head, patience)
		if err != nil {
			err = fmt.Errorf("asking ingest plugin %s: %w", names[i], err)
		}
		return found, err
	})
	switch {
	case at >= 0:
		return names[at], nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("asking the ingest plugins: %w", ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		return "", fault.New(fault.Unavailable, "%w", err).
			WithHint("no other plugin reads this document; try again, and see `muster plugin list` for how that plugin is")
	case err != nil:
		return "", faultOf(err)
	}
	return "", fault.New(fault.Unsupported, "no ingest plugin reads this document").
		WithHint("formats that are read: %v; JSON must not be cut off or wrapped", names)
}

// recognizes asks one plugin. One that is down now is an error at once.
func (h *Host) recognizes(ctx context.Context, name string, head []byte, patience recognition) (bool, error) {
	place, err := h.find(sdk.KindIngest, name)
	if err != nil {
		return false, err
	}
	starting, cancel := context.WithTimeout(ctx, patience.start)
	defer cancel()
	if err := place.with(func(s *supervisor) error { return s.up(starting) }); err != nil {
		return false, err
	}
	ctx, cancel = context.WithTimeout(ctx, patience.answer)
	defer cancel()
	found, err := sdk.NewIngestClient(place).Recognize(ctx, head)
	return found != "", err
}

// up waits until the plugin runs and starts it if need be, but does not wait
// for one that has ended: whoever has others to ask goes on without it.
func (s *supervisor) up(ctx context.Context) error {
	for {
		conn, status, changed := s.enterCall()
		switch {
		case conn != nil:
			s.leaveCall()
			return nil
		case status.State == StateStopped:
			return fmt.Errorf("%w: %s plugin %s", ErrStopped, s.decl.Kind, s.decl.Name)
		case status.State == StateBackoff, status.State == StateFailed && s.opts.Now().Before(status.RetryAt):
			s.want() // by the time that the next one asks
			return s.down(status)
		}
		s.want()
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s plugin %s, which is %s: %w", s.decl.Kind, s.decl.Name, status.State, ctx.Err())
		}
	}
}

// firstOf asks n at once and returns the first, in order, that says yes, or -1
// and what went wrong. Once one has said yes, those before it have grace left.
// The context of those that are asked ends when firstOf returns; it does not
// wait for them.
func firstOf(ctx context.Context, n int, grace time.Duration, ask func(ctx context.Context, i int) (bool, error)) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		i   int
		yes bool
		err error
	}
	answers := make(chan answer, n)
	for i := range n {
		go func() {
			yes, err := ask(ctx, i)
			answers <- answer{i, yes, err}
		}()
	}
	silent, best := 0, n // the first that has not said anything, that has said yes
	said, errs := make([]bool, n), make([]error, n)
	var late <-chan time.Time
	for {
		for silent < n && said[silent] {
			silent++
		}
		if best < silent || silent == n {
			break
		}
		select {
		case a := <-answers:
			said[a.i], errs[a.i] = true, a.err
			if a.yes && a.i < best {
				best = a.i
			}
			if a.yes && late == nil {
				late = time.After(grace)
			}
		case <-late:
			return best, nil
		case <-ctx.Done():
			if best < n {
				return best, nil
			}
			return -1, ctx.Err()
		}
	}
	if best < n {
		return best, nil
	}
	return -1, errors.Join(errs...)
}
