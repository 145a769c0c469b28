package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/schedule"
)

// Options are what a service needs. All but the numbers must be set.
type Options struct {
	Lister      Lister
	Sources     Sources
	Runs        Runs
	Contents    Contents
	Queue       Queue
	Memberships Memberships
	Auditor     Auditor
	Logger      *slog.Logger
	Now         func() time.Time
	// Analyzers names the analyzers that scans use; an image that others
	// analysed is scanned again.
	Analyzers string
	// Parallel bounds the requests of one listing at a time; 8 when zero.
	Parallel int
	// Sleep waits, or returns the context's error when that ends before; a timer
	// when nil.
	Sleep func(ctx context.Context, d time.Duration) error
	// Retention overrides the defaults, field by field; Now is ignored.
	Retention model.Retention
}

// Service keeps registries and runs them. It is safe for concurrent use.
type Service struct {
	Options
	wake chan struct{} // something changed that the loop of Run wants to know

	mu      sync.Mutex
	listing map[int64]context.CancelFunc // listings under way here, by run
	rests   map[int64]rest               // of listings under way that wait
	// pushes are the registries that pushes ask to list, and when; pushRuns is
	// when they last started a run. A daemon that ends forgets both: schedules
	// make up for it.
	pushes, pushRuns map[string]time.Time
}

// New makes a service; Run does its work.
func New(o Options) (*Service, error) {
	switch {
	case o.Lister == nil, o.Sources == nil, o.Runs == nil, o.Contents == nil, o.Queue == nil,
		o.Memberships == nil, o.Auditor == nil, o.Logger == nil, o.Now == nil, o.Analyzers == "":
		return nil, errors.New("registry: a dependency is missing")
	case o.Parallel < 0:
		return nil, fmt.Errorf("registry: parallel is %d, expected zero or more", o.Parallel)
	case o.Parallel == 0:
		o.Parallel = 8
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	o.Retention = retentionOf(o.Retention)
	return &Service{
		Options: o, wake: make(chan struct{}, 1), listing: map[int64]context.CancelFunc{}, rests: map[int64]rest{},
		pushes: map[string]time.Time{}, pushRuns: map[string]time.Time{},
	}, nil
}

// Add keeps a new registry. It fails with fault.Invalid for settings that cannot
// work or that the plugin does not take, Conflict for a name that is taken, and Denied for a federated registry
// where the actor or this cluster may not have one.
func (s *Service) Add(ctx context.Context, actor model.Actor, r model.Registry) error {
	err := s.add(ctx, actor, r)
	return s.audited(ctx, actor, "registry.add", r.Name, err)
}

func (s *Service) add(ctx context.Context, actor model.Actor, r model.Registry) error {
	if err := s.mayWrite(ctx, actor, r.Name); err != nil {
		return err
	}
	r = normal(r)
	if err := s.validate(r); err != nil {
		return err
	}
	if err := s.configure(ctx, &r); err != nil {
		return err
	}
	r.CreatedAt = s.Now().UTC().Truncate(time.Millisecond)
	r.UpdatedAt = r.CreatedAt
	return s.Sources.AddRegistry(ctx, r)
}

// Update replaces a registry's settings; secrets that are empty stay as they
// were, unless the address, its TLS or its CA changed: who answers then may not be
// told the old ones. A run under way that would now go elsewhere is stopped.
func (s *Service) Update(ctx context.Context, actor model.Actor, r model.Registry) error {
	err := s.update(ctx, actor, r)
	return s.audited(ctx, actor, "registry.update", r.Name, err)
}

func (s *Service) update(ctx context.Context, actor model.Actor, r model.Registry) error {
	if err := s.mayWrite(ctx, actor, r.Name); err != nil {
		return err
	}
	old, err := s.Sources.Registry(ctx, r.Name)
	if err != nil {
		return err
	}
	r = normal(r)
	if err := s.validate(r); err != nil {
		return err
	}
	if err := keepSecrets(&r, old.Registry); err != nil {
		return err
	}
	if err := s.configure(ctx, &r); err != nil {
		return err
	}
	r.PushKey = old.PushKey
	r.CreatedAt, r.UpdatedAt = old.CreatedAt, s.Now().UTC().Truncate(time.Millisecond)
	if reachesOtherwise(old.Registry, r) && old.LastRun != nil && !old.LastRun.State.Final() {
		if err := s.stop(ctx, old.LastRun.ID); err != nil {
			return err
		}
	}
	if err := s.Sources.UpdateRegistry(ctx, r); err != nil {
		return err
	}
	s.nudge()
	return nil
}

func reachesOtherwise(a, b model.Registry) bool {
	return a.URL != b.URL || a.Type != b.Type || a.Username != b.Username || a.Password != b.Password ||
		a.Token != b.Token || a.CACert != b.CACert || !reflect.DeepEqual(a.Settings, b.Settings) ||
		!maps.Equal(a.SecretSettings, b.SecretSettings) ||
		!slices.Equal(a.Repositories, b.Repositories) || !slices.Equal(a.Filters, b.Filters) || !slices.Equal(a.Platforms, b.Platforms)
}

// Remove forgets a registry. Its images stay until retention collects them.
func (s *Service) Remove(ctx context.Context, actor model.Actor, name string) error {
	err := s.remove(ctx, actor, name)
	return s.audited(ctx, actor, "registry.remove", name, err)
}

func (s *Service) remove(ctx context.Context, actor model.Actor, name string) error {
	if err := s.mayWrite(ctx, actor, name); err != nil {
		return err
	}
	st, err := s.Sources.Registry(ctx, name)
	if err == nil && st.LastRun != nil && !st.LastRun.State.Final() {
		err = s.stop(ctx, st.LastRun.ID)
	}
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return err
	}
	// Credentials that cannot be opened must not keep their registry alive.
	return s.Sources.RemoveRegistry(ctx, name)
}

// List gives all registries by name, federated ones included.
func (s *Service) List(ctx context.Context) ([]model.RegistryStatus, error) {
	list, err := s.Sources.Registries(ctx)
	if err != nil {
		return nil, err
	}
	managed, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		s.fillNext(&list[i], managed)
	}
	return list, nil
}

// Get gives one registry. It fails with fault.NotFound.
func (s *Service) Get(ctx context.Context, name string) (model.RegistryStatus, error) {
	st, err := s.Sources.Registry(ctx, name)
	if err != nil {
		return st, err
	}
	managed, err := s.managed(ctx)
	if err != nil {
		return st, err
	}
	s.fillNext(&st, managed)
	return st, nil
}

// fillNext tells when a registry is due, and when its run will be done. A
// federated one is run by the primary.
func (s *Service) fillNext(st *model.RegistryStatus, managed bool) {
	if st.LastRun != nil {
		s.forecast(st.LastRun)
	}
	if st.Schedule == "" || managed && st.Federated() {
		return
	}
	sched, err := schedule.Parse(st.Schedule)
	if err != nil {
		return // stored by a version that knew more; nothing to show
	}
	st.NextRun = sched.Next(s.Now())
}

func (s *Service) managed(ctx context.Context) (bool, error) {
	m, err := s.Memberships.Membership(ctx)
	if err != nil {
		return false, fmt.Errorf("registry: read the membership: %w", err)
	}
	return m.Role == model.Managed, nil
}

// Test tries a registry's settings step by step, and when all of them work it
// tells what they select. Secrets that are empty are
// those kept under the same name, on the terms of Update. It fails with
// fault.Denied for a federated registry with credentials that the actor may not change.
func (s *Service) Test(ctx context.Context, actor model.Actor, r model.Registry) ([]model.DiagnosisStep, error) {
	r = normal(r)
	if err := s.validate(r); err != nil {
		return nil, err
	}
	old, err := s.Sources.Registry(ctx, r.Name)
	switch {
	case err == nil && hasSecrets(old.Registry):
		if err := s.mayWrite(ctx, actor, r.Name); err != nil {
			return nil, err
		}
		if err := keepSecrets(&r, old.Registry); err != nil {
			return nil, err
		}
	case err != nil && fault.KindOf(err) != fault.NotFound:
		return nil, err
	}
	if err := s.configure(ctx, &r); err != nil {
		return nil, err
	}
	steps, err := s.Lister.Test(ctx, r)
	if err != nil || slices.ContainsFunc(steps, func(st model.DiagnosisStep) bool { return !st.OK }) {
		return steps, err
	}
	return append(steps, s.sampled(ctx, r)), nil
}

// mayWrite refuses changes to federated registries to all but a federated
// administrator on the primary.
func (s *Service) mayWrite(ctx context.Context, actor model.Actor, name string) error {
	if !model.IsFederatedName(name) {
		return nil
	}
	m, err := s.Memberships.Membership(ctx)
	if err != nil {
		return fmt.Errorf("registry: read the membership: %w", err)
	}
	switch m.Role {
	case model.Primary:
	case model.Managed:
		return fault.New(fault.Denied, "registry %s belongs to the federation and is read-only on a managed cluster", name).
			WithHint("change it on the primary, %s", m.PrimaryName)
	default:
		return fault.New(fault.Denied, "registry %s would be a federated one, and this cluster is in no federation", name).
			WithHint("muster promote makes this cluster a primary; or choose a name that does not begin with %q", model.FederatedPrefix)
	}
	if !actor.Role.Can(model.FedWrite) {
		return fault.New(fault.Denied, "%s (%s) may not change federated registries", actor.Name, actor.Role).
			WithHint("log in as a federated administrator")
	}
	return nil
}

// audited records what an actor did and passes the outcome on. What was done is
// recorded even if the one who asked is gone by now.
func (s *Service) audited(ctx context.Context, actor model.Actor, action, target string, err error) error {
	outcome := "ok"
	if err != nil {
		outcome = err.Error()
	}
	e := model.AuditEvent{Time: s.Now(), Actor: actor.Name, Action: action, Target: target, Outcome: outcome}
	if auditErr := s.Auditor.Audit(context.WithoutCancel(ctx), e); auditErr != nil {
		s.Logger.ErrorContext(ctx, "audit event lost", "action", action, "target", target, "error", auditErr)
	}
	return err
}

// nudge wakes the loop of Run; a nudge that is pending is enough.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
