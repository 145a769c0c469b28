package federation

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/link"
)

// part is what a cluster does in its role: the hub of a primary, the agent of a
// managed cluster, or nothing.
type part struct {
	federation string
	primary    *primary // nil unless a primary
	agent      *link.Agent
	run        func(context.Context) error

	cancel context.CancelFunc
	done   chan struct{}
	err    error // why it ended, once done is closed
}

// activity holds the part that is being played.
type activity struct {
	mu  sync.Mutex
	now *part
}

// playing is the part that runs now, nil when none does.
func (a *activity) playing() *part {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *activity) start(ctx context.Context, p *part) {
	ctx, p.cancel = context.WithCancel(ctx)
	p.done = make(chan struct{})
	a.mu.Lock()
	a.now = p
	a.mu.Unlock()
	go func() {
		defer close(p.done)
		defer p.cancel()
		p.err = p.run(ctx)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.now == p {
			a.now = nil
		}
	}()
}

// stop ends what runs and waits for it.
func (a *activity) stop() {
	if p := a.playing(); p != nil {
		p.cancel()
		<-p.done
	}
}

// Run names a new cluster, finishes a join that a crash broke off, and then runs
// what the role asks for: a hub on a primary, an agent on a managed cluster. It
// follows changes of role and returns when ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if _, err := s.identify(ctx); err != nil {
		return err
	}
	s.resumeJoin(ctx)
	defer s.active.stop()
	var pause time.Duration
	for ctx.Err() == nil {
		p, err := s.startPart(ctx)
		if err == nil {
			select {
			case <-ctx.Done():
				return nil
			case <-s.wake:
				continue
			case <-p.done:
				err = p.err
			}
		}
		if err == nil || errors.Is(err, link.ErrRemoved) || ctx.Err() != nil {
			pause = 0
			continue
		}
		pause = min(max(2*pause, s.o.Link.RetryMin), s.o.Link.RetryMax)
		s.o.Log.Error("federation stopped, trying again", "error", err, "retry_in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// startPart starts what the role asks for, unless that runs already.
func (s *Service) startPart(ctx context.Context) (*part, error) {
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	m, err := s.Membership(ctx)
	if err != nil {
		return nil, err
	}
	if p := s.active.playing(); p != nil && p.federation == m.FederationID {
		return p, nil
	}
	s.active.stop()
	p := &part{run: func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}}
	switch m.Role {
	case model.Primary:
		p, err = s.newPrimaryPart(ctx, m)
	case model.Managed:
		p, err = s.newManagedPart(ctx, m)
	}
	if err != nil {
		return nil, err
	}
	p.federation = m.FederationID
	s.active.start(ctx, p)
	return p, nil
}
