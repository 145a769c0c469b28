package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// service is one long-running part of the daemon. run returns when its context
// ends; returning earlier, with or without an error, stops the daemon.
type service struct {
	name string
	run  func(context.Context) error
}

// errStopped is what a service that ends by itself is reported as.
var errStopped = errors.New("stopped by itself")

// supervise starts the services in order and waits. When ctx ends or one of
// them does, the rest are stopped in reverse order, each given grace to end
// before the next is asked. It is the only place of the daemon that starts
// goroutines for services.
func supervise(ctx context.Context, log *slog.Logger, grace time.Duration, services []service) error {
	type running struct {
		service
		cancel context.CancelFunc
		done   chan error
	}
	first := make(chan error, len(services))
	started := make([]running, 0, len(services))
	for _, s := range services {
		sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := running{service: s, cancel: cancel, done: make(chan error, 1)}
		go func() {
			err := s.run(sctx)
			if sctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
				r.done <- nil
				return
			}
			if err == nil {
				err = errStopped
			}
			err = fmt.Errorf("daemon: %s: %w", s.name, err)
			r.done <- err
			first <- err
		}()
		started = append(started, r)
	}

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-first:
	}
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		r.cancel()
		timer := time.NewTimer(grace)
		select {
		case err := <-r.done:
			if err != nil && cause == nil {
				cause = err
			}
		case <-timer.C:
			log.Warn("service did not stop in time", "service", r.name, "grace", grace)
		}
		timer.Stop()
	}
	return cause
}
