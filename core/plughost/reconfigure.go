package plughost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Reconfigure replaces the declared plugins, all of them or none. What did not
// change goes on as it is. What is new or changed is verified, and started if
// its predecessor is running, before it takes over; if one of them cannot be,
// nothing is changed and the error says which. No call is lost: calls in
// flight end on the old process, which stops after them, and calls from now on
// begin on the new one. Byte streams of a transport end with the old process.
//
// It waits until Run has begun and returns, at the latest, when ctx ends.
func (h *Host) Reconfigure(ctx context.Context, declared []Declaration) error {
	opts := h.opts
	opts.Declared = declared
	if err := opts.validate(); err != nil {
		return err
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	old := h.placed()
	next := make([]*supervisor, 0, len(old))
	var fresh []*supervisor
	for _, d := range opts.declarations() {
		at := slices.IndexFunc(old, func(s *supervisor) bool { return s.decl.same(d) })
		if at >= 0 {
			next = append(next, old[at])
			continue
		}
		s := newSupervisor(d, opts, h.launcher, h.metrics)
		next, fresh = append(next, s), append(fresh, s)
	}
	if err := h.tryOut(ctx, fresh, old); err != nil {
		return fmt.Errorf("plughost: nothing was changed: %w", err)
	}
	h.place(next)
	for _, s := range old {
		if !slices.Contains(next, s) {
			s.retire()
		}
	}
	h.reportUndeclared()
	return nil
}

// tryOut runs supervisors and waits until each has verified its executable, or
// started it where one of the same name is in use. If one fails all are ended.
func (h *Host) tryOut(ctx context.Context, fresh, old []*supervisor) (err error) {
	var begun []*supervisor
	defer func() {
		if err != nil {
			for _, s := range begun {
				s.retire()
			}
		}
	}()
	for _, s := range fresh {
		select {
		case h.begin <- s:
			begun = append(begun, s)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var errs []error
	for _, s := range fresh {
		inUse := slices.ContainsFunc(old, func(o *supervisor) bool {
			return o.decl.Kind == s.decl.Kind && o.decl.Name == s.decl.Name && o.snapshot().PID != 0
		})
		errs = append(errs, s.prove(ctx, inUse))
	}
	return errors.Join(errs...)
}

// prove waits until the plugin is verified, or has started.
func (s *supervisor) prove(ctx context.Context, start bool) error {
	if start {
		s.want()
	}
	st, err := s.await(ctx, func(st Status) bool {
		switch st.State {
		case StateDeclared:
			return s.decl.Path == "" && !start // a built-in needs no verifying
		case StateVerified, StateStarting:
			return !start
		default:
			return true
		}
	})
	switch {
	case err != nil:
		return err
	case st.State == StateFailed, st.State == StateBackoff:
		return fmt.Errorf("%w: %s plugin %s: %s", ErrFailed, s.decl.Kind, s.decl.Name, st.LastError)
	case st.State == StateStopped:
		return fmt.Errorf("%w: %s plugin %s", ErrStopped, s.decl.Kind, s.decl.Name)
	default:
		return nil
	}
}

// same reports whether d and other run the same thing in the same way.
func (d Declaration) same(other Declaration) bool {
	return d.Kind == other.Kind && d.Name == other.Name && d.Path == other.Path && d.SHA256 == other.SHA256 &&
		slices.Equal(d.Args, other.Args) && maps.Equal(d.Env, other.Env) &&
		d.Limits.withDefaults() == other.Limits.withDefaults()
}
