package admission

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

func digest(c string) model.Digest { return model.Digest("sha256:" + strings.Repeat(c, 64)) }

// world is everything a service depends on, in memory.
type world struct {
	mu         sync.Mutex
	rules      []policy.Rule
	state      policy.State
	membership model.Membership
	tags       map[string][]model.Digest // by host/repository:tag
	verdicts   map[model.Digest][]policy.KnownVerdict
	children   map[model.Digest][]model.Digest
	cves       map[string][]policy.CVE
	lookups    int // for verdicts
	loads      int // of finding lists
	broken     error
	audit      []model.AuditEvent
}

func newWorld() *world {
	return &world{
		state: policy.State{Enable: true, Mode: policy.Protect}, membership: model.Membership{Role: model.Primary, PrimaryName: "hq"},
		tags: map[string][]model.Digest{}, verdicts: map[model.Digest][]policy.KnownVerdict{},
		children: map[model.Digest][]model.Digest{}, cves: map[string][]policy.CVE{},
	}
}

func (w *world) locked() func() { w.mu.Lock(); return w.mu.Unlock }

func (w *world) Rules(context.Context) ([]policy.Rule, error) {
	defer w.locked()()
	return append([]policy.Rule(nil), w.rules...), w.broken
}

func (w *world) AddRule(_ context.Context, r policy.Rule) (policy.Rule, error) {
	defer w.locked()()
	r.ID = uint32(policy.FirstLocalID + len(w.rules))
	if r.CfgType == policy.Federal {
		r.ID = uint32(policy.FirstFederatedID + len(w.rules))
	}
	w.rules = append(w.rules, r)
	return r, nil
}

func (w *world) UpdateRule(_ context.Context, r policy.Rule) error {
	defer w.locked()()
	for i := range w.rules {
		if w.rules[i].ID == r.ID {
			w.rules[i] = r
			return nil
		}
	}
	return fault.New(fault.NotFound, "no rule %d", r.ID)
}

func (w *world) RemoveRule(_ context.Context, _ policy.CfgType, id uint32) error {
	defer w.locked()()
	for i := range w.rules {
		if w.rules[i].ID == id {
			w.rules = append(w.rules[:i:i], w.rules[i+1:]...)
			return nil
		}
	}
	return fault.New(fault.NotFound, "no rule %d", id)
}

func (w *world) AdmissionState(context.Context) (policy.State, error) {
	defer w.locked()()
	return w.state, nil
}

func (w *world) SetAdmissionState(_ context.Context, s policy.State) error {
	defer w.locked()()
	w.state = s
	return nil
}

func (w *world) Membership(context.Context) (model.Membership, error) { return w.membership, nil }

func (w *world) Audit(_ context.Context, e model.AuditEvent) error {
	defer w.locked()()
	w.audit = append(w.audit, e)
	return nil
}

func (w *world) TagDigests(_ context.Context, host, repository, tag string) ([]model.Digest, error) {
	defer w.locked()()
	return w.tags[host+"/"+repository+":"+tag], w.broken
}

func (w *world) Verdicts(_ context.Context, d model.Digest) ([]policy.KnownVerdict, error) {
	defer w.locked()()
	w.lookups++
	return w.verdicts[d], w.broken
}

func (w *world) Children(_ context.Context, d model.Digest) ([]model.Digest, error) {
	defer w.locked()()
	return w.children[d], w.broken
}

func (w *world) CVEs(_ context.Context, hash string) ([]policy.CVE, bool, error) {
	defer w.locked()()
	w.loads++
	cves, ok := w.cves[hash]
	return append([]policy.CVE(nil), cves...), ok, w.broken
}

// image makes an image with a scan of our own known under a tag.
func (w *world) image(name string, d model.Digest, counts model.Counts, cves ...policy.CVE) {
	w.tags[name] = append(w.tags[name], d)
	w.verdict(d, d, model.SourceScan, counts, cves...)
}

// verdict makes a result for digest known where under is looked up.
func (w *world) verdict(under, d model.Digest, source model.Source, counts model.Counts, cves ...policy.CVE) {
	v := policy.KnownVerdict{Origin: model.Local, Verdict: model.Verdict{Digest: d, Source: source, Counts: counts}}
	if source == model.SourceCI {
		v.Producer = "trivy/jenkins"
	}
	if len(cves) > 0 {
		v.Findings, v.FindingsKnown = string(under)+string(d)+string(source), true
		w.cves[v.Findings] = cves
	}
	w.verdicts[under] = append(w.verdicts[under], v)
}

func (w *world) service(t testing.TB) *Service {
	t.Helper()
	s, err := New(Options{
		Rules: w, States: w, Results: w, Memberships: w, Auditor: w, Namespace: "muster",
		Now: func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func denial(id uint32, name, op, value string) policy.Rule {
	r := policy.Rule{ID: id, CfgType: policy.UserCreated, RuleType: policy.Deny, Criteria: []policy.Criterion{{Name: name, Op: op, Value: value}}}
	if id >= policy.FirstFederatedID {
		r.CfgType = policy.Federal
	}
	return r
}

// pod is a request to create a pod in the namespace prod.
func pod(images ...string) Request {
	req := Request{UID: "u1", Operation: "CREATE", Kind: "Pod", Namespace: "prod", Name: "web", User: "dev"}
	for i, image := range images {
		req.Containers = append(req.Containers, Container{Name: string(rune('a' + i)), Kind: policy.Containers, Image: image})
	}
	return req
}

func review(t *testing.T, s *Service, req Request) Decision {
	t.Helper()
	d, err := s.Review(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReviewBeforeReloadIsNoDecision(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s, err := New(Options{Rules: w, States: w, Results: w, Memberships: w, Auditor: w})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Review(t.Context(), pod("nginx")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a service without dependencies was made")
	}
}

func TestAFailedReloadKeepsWhatIsInForce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rules = []policy.Rule{denial(1000, "namespace", "containsAny", "prod")}
	s := w.service(t)
	w.rules, w.broken = nil, errors.New("disk")
	if err := s.Reload(t.Context()); !errors.Is(err, w.broken) {
		t.Errorf("reload: %v", err)
	}
	w.broken = nil
	if review(t, s, pod("nginx")).Allowed {
		t.Error("the rule is gone")
	}
}
