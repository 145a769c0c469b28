package admission

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// cachedCVEs bounds the decoded finding lists kept in memory, in
// vulnerabilities: about 25 MB.
const cachedCVEs = 256 << 10

// Options are what the service works with. Namespace and Log may be empty.
type Options struct {
	Rules       Rules
	States      States
	Results     Results
	Memberships Memberships
	Auditor     Auditor
	// Namespace is the one muster runs in, which is never judged.
	Namespace string
	// MaxDBAge is the age of a vulnerability database from which on whoever asks is
	// warned that results were made with it; zero means never.
	MaxDBAge time.Duration
	Log      *slog.Logger
	Now      func() time.Time
}

// Service judges reviews and keeps the rules. It is safe for concurrent use.
type Service struct {
	o       Options
	cves    *cveCache
	tally   tally
	loading sync.Mutex // one Reload at a time, so that an older state never replaces a newer
	current atomic.Pointer[snapshot]
}

// snapshot is what reviews are judged with, compiled and immutable.
type snapshot struct {
	rules *policy.Set
	state policy.State
}

// New makes the service. Call Reload before the first Review.
func New(o Options) (*Service, error) {
	if o.Rules == nil || o.States == nil || o.Results == nil || o.Memberships == nil || o.Auditor == nil {
		return nil, errors.New("admission: a dependency is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o, cves: newCVECache(cachedCVEs)}, nil
}

// Reload takes the stored rules and state into force. It is called at the
// start, after every change made here, and by whoever changes the stored rules
// otherwise: applying a batch of the feed, joining, leaving, demoting. When it
// fails, what was in force stays in force.
func (s *Service) Reload(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	rules, err := s.Rules(ctx)
	if err != nil {
		return err
	}
	state, err := s.o.States.AdmissionState(ctx)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.Unreadable != "" {
			s.o.Log.WarnContext(ctx, "an admission rule cannot be evaluated", "rule_id", r.ID, "reason", r.Unreadable)
		}
	}
	s.current.Store(&snapshot{rules: policy.Compile(rules), state: state})
	return nil
}

// State is this cluster's admission state.
func (s *Service) State(ctx context.Context) (policy.State, error) {
	return s.o.States.AdmissionState(ctx)
}

// SetState changes this cluster's admission state. It needs model.WriteAll.
func (s *Service) SetState(ctx context.Context, actor model.Actor, state policy.State) error {
	return s.audited(ctx, actor, "admission.state", string(state.Mode), func() error {
		switch {
		case !actor.Role.Can(model.WriteAll):
			return fault.New(fault.Denied, "admission: %s may not change the admission state", actor.Name)
		case !state.Mode.Valid():
			return fault.New(fault.Invalid, "admission: the mode is %q or %q, not %q", policy.Monitor, policy.Protect, state.Mode)
		}
		return s.o.States.SetAdmissionState(ctx, state)
	})
}

// audited makes a change, takes it into force and records it with its outcome.
// What happens after the change must happen even if the caller has gone away.
func (s *Service) audited(ctx context.Context, actor model.Actor, action, target string, change func() error) error {
	err := change()
	ctx = context.WithoutCancel(ctx)
	outcome := "ok"
	if err == nil {
		err = s.Reload(ctx)
	}
	if err != nil {
		outcome = err.Error()
	}
	event := model.AuditEvent{Time: s.o.Now(), Actor: actor.Name, Action: action, Target: target, Outcome: outcome}
	if auditErr := s.o.Auditor.Audit(ctx, event); auditErr != nil {
		s.o.Log.ErrorContext(ctx, "an audit event was not recorded", "action", action, "error", auditErr)
	}
	return err
}
