package federation

import (
	"context"
	"errors"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/link"
)

// Leave tells the primary and makes this managed cluster standalone: everything
// that the federation brought is deleted here. With force it does so even when
// the primary cannot be told, which then shows this cluster as disconnected until
// somebody removes it there. It fails with fault.Conflict on another cluster than
// a managed one, and with fault.Unavailable when the primary does not answer.
func (s *Service) Leave(ctx context.Context, actor model.Actor, force bool) (err error) {
	defer func() { s.audit(ctx, actor, "federation.leave", "", err) }()
	if err := allow(actor, model.WriteAll, "leave the federation"); err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	m, err := s.as(ctx, model.Managed)
	if err != nil {
		return err
	}
	if err := s.tellLeaving(ctx); err != nil && s.stillManaged(ctx) {
		if !force {
			return fault.New(fault.Unavailable, "federation: the primary %q at %s was not told: %w", m.PrimaryName, m.PrimaryAddress, err).
				WithHint("try again when it can be reached, or leave by force and remove this cluster on the primary")
		}
		s.o.Log.Warn("leaving without the primary's knowledge", "error", err)
	}
	s.active.stop()
	s.changed()
	if err := s.o.Store.Memberships.LeaveFederation(ctx); err != nil {
		return err
	}
	s.applied(nil)
	return nil
}

// tellLeaving says farewell, over as many sessions as it takes. The agent cleans
// up when the primary has answered.
func (s *Service) tellLeaving(ctx context.Context) error {
	p := s.active.playing()
	if p == nil || p.agent == nil {
		return errors.New("no session is running")
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timing.Notify)
	defer cancel()
	go func() {
		defer cancel() // an agent that has ended takes no orders
		select {
		case <-p.done:
		case <-ctx.Done():
		}
	}()
	for {
		err := p.agent.Leave(ctx)
		switch {
		case err == nil || errors.Is(err, link.ErrRemoved):
			return nil
		case ctx.Err() != nil:
			return err
		}
	}
}

// stillManaged is false when the agent has cleaned up although the farewell was
// lost: the primary may say it another time.
func (s *Service) stillManaged(ctx context.Context) bool {
	m, err := s.Membership(ctx)
	return err != nil || m.Role == model.Managed
}
