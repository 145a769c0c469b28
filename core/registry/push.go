package registry

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

const (
	// pushSettles is how long a run waits for further pushes: a pipeline pushes
	// several images at a time.
	pushSettles = 10 * time.Second
	// pushRunsEvery bounds how often pushes start runs of one registry.
	pushRunsEvery = time.Minute
)

// NewPushKey makes the key with which a registry tells of pushes, in place of
// the one before. Whoever has it can start runs of this registry, and no more.
func (s *Service) NewPushKey(ctx context.Context, actor model.Actor, name string) (string, error) {
	key := rand.Text() + rand.Text()
	err := s.setPushKey(ctx, actor, name, model.Secret(key))
	if err = s.audited(ctx, actor, "registry.push-key", name, err); err != nil {
		return "", err
	}
	return key, nil
}

// RemovePushKey lets nobody tell of pushes any more.
func (s *Service) RemovePushKey(ctx context.Context, actor model.Actor, name string) error {
	return s.audited(ctx, actor, "registry.push-key-removed", name, s.setPushKey(ctx, actor, name, ""))
}

func (s *Service) setPushKey(ctx context.Context, actor model.Actor, name string, key model.Secret) error {
	if err := s.mayWrite(ctx, actor, name); err != nil {
		return err
	}
	st, err := s.Sources.Registry(ctx, name)
	if err != nil {
		return err
	}
	st.PushKey = key
	return s.Sources.UpdateRegistry(ctx, st.Registry)
}

// Push takes a registry's word that something was pushed, and has the registry
// listed soon when its settings select it. It fails with fault.NotFound for a
// registry that is not there and for a wrong key alike, and with fault.Denied
// when the plugin finds the call's signature wrong.
func (s *Service) Push(ctx context.Context, name, key string, e model.PushEvent) error {
	st, err := s.Sources.Registry(ctx, name)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	known := []byte(st.PushKey.Reveal())
	if err != nil || len(known) == 0 || subtle.ConstantTimeCompare(known, []byte(key)) != 1 {
		return fault.New(fault.NotFound, "nobody listens for pushes at this address").
			WithHint("muster registry push-address NAME makes a new one")
	}
	pushes, err := s.Lister.DecodePush(ctx, st.Registry, e)
	if err != nil {
		return err
	}
	wanted := slices.ContainsFunc(pushes, func(p model.Push) bool { return takesPush(st.Registry, p) })
	s.Logger.InfoContext(ctx, "push told", "registry", name, "images", len(pushes), "selected", wanted)
	if wanted {
		s.pushed(name)
	}
	return nil
}

func takesPush(r model.Registry, p model.Push) bool {
	if len(r.Repositories) > 0 && !slices.Contains(r.Repositories, p.Repository) {
		return false
	}
	return newFilters(r.Filters).takes(model.ListedImage{Repository: p.Repository, Tag: p.Tag, Digest: p.Digest})
}

// pushed notes that a registry is to be listed; many pushes make one run.
func (s *Service) pushed(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, waits := s.pushes[name]; waits {
		return
	}
	due := s.Now().Add(pushSettles)
	if next := s.pushRuns[name].Add(pushRunsEvery); next.After(due) {
		due = next
	}
	s.pushes[name] = due
	s.nudge()
}

// startPushed starts the runs that pushes asked for and tells how long to sleep.
// Where a run is under way, which may have listed before the push, the next one
// follows it.
func (s *Service) startPushed(ctx context.Context) time.Duration {
	sleep := longestSleep
	now := s.Now()
	for _, name := range s.duePushes(now, &sleep) {
		run, started, err := s.Runs.StartRun(ctx, name, model.TriggerPush, now)
		s.mu.Lock()
		switch {
		case started, err != nil && fault.KindOf(err) == fault.NotFound:
			delete(s.pushes, name)
			s.pushRuns[name] = now
		default:
			s.pushes[name] = now.Add(pushSettles)
			sleep = min(sleep, pushSettles)
		}
		s.mu.Unlock()
		switch {
		case err != nil && fault.KindOf(err) != fault.NotFound && ctx.Err() == nil:
			s.Logger.ErrorContext(ctx, "run after a push not started", "registry", name, "error", err)
		case started:
			s.Logger.InfoContext(ctx, "run after a push started", "registry", name, "run", run.ID)
		}
	}
	return sleep
}

// duePushes are the registries whose time has come; sleep shrinks to the next.
func (s *Service) duePushes(now time.Time, sleep *time.Duration) (due []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, at := range s.pushes {
		if at.After(now) {
			*sleep = min(*sleep, at.Sub(now))
			continue
		}
		due = append(due, name)
	}
	slices.Sort(due)
	return due
}
