package v1_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/fleet"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/identity"
	"github.com/muster-sec/muster/core/intake"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

const digest = model.Digest("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// house is every service at once: it notes what it is asked and answers with
// one example of everything, or with err.
type house struct {
	mu    sync.Mutex
	calls []string
	err   error
	role  model.ClusterRole
	known []policy.KnownVerdict
}

func newHouse() *house {
	return &house{role: model.Primary, known: []policy.KnownVerdict{knownVerdict()}}
}

func (h *house) note(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
	return h.err
}

func (h *house) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *house) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *house) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) == 0 {
		return ""
	}
	return h.calls[len(h.calls)-1]
}

// Authenticate takes tokens "token-ROLE".
func (h *house) Authenticate(_ context.Context, token string) (model.Actor, error) {
	role, ok := strings.CutPrefix(token, "token-")
	if !ok {
		return model.Actor{}, fault.New(fault.Unauthenticated, "no such session")
	}
	return model.Actor{Name: "amy", Role: model.Role(role), Source: model.AccountLocal}, nil
}

func (h *house) AuthenticateKey(_ context.Context, text string) (model.Actor, error) {
	if text != "ci:secret" {
		return model.Actor{}, fault.New(fault.Unauthenticated, "no such key")
	}
	return model.Actor{Name: "ci", Role: model.RoleCIOps, Source: model.AccountAPIKey}, nil
}

func (h *house) Login(_ context.Context, c identity.Credentials) (identity.Session, error) {
	err := h.note("login %s %s from %s", c.Username, c.Password, c.Source)
	actor := model.Actor{Name: c.Username, Role: model.RoleAdmin}
	return identity.Session{Token: "token-admin", ExpiresAt: noon(), Actor: actor}, err
}

func (h *house) Logout(_ context.Context, token string) error { return h.note("logout %s", token) }

func (h *house) Accounts(context.Context) ([]model.Account, error) {
	return []model.Account{{Username: "amy", Role: model.RoleAdmin, CreatedAt: noon(), LastLogin: noon()}}, h.note("accounts")
}

func (h *house) AddAccount(_ context.Context, actor model.Actor, a model.Account, password string) (model.Account, error) {
	err := h.note("%s adds %s %s %s", actor.Name, a.Username, a.Role, password)
	a.CreatedAt = noon()
	return a, err
}

func (h *house) RemoveAccount(_ context.Context, actor model.Actor, name string) error {
	return h.note("%s removes %s", actor.Name, name)
}

func (h *house) SetPassword(_ context.Context, actor model.Actor, name, current, next string) error {
	return h.note("%s sets password of %s from %s to %s", actor.Name, name, current, next)
}

func (h *house) Keys(context.Context) ([]model.APIKey, error) {
	return []model.APIKey{{Name: "ci", Role: model.RoleCIOps, CreatedBy: "amy", CreatedAt: noon()}}, h.note("keys")
}

func (h *house) AddKey(_ context.Context, actor model.Actor, key model.APIKey) (model.APIKey, string, error) {
	err := h.note("%s adds key %s %s", actor.Name, key.Name, key.Role)
	key.CreatedBy, key.CreatedAt = actor.Name, noon()
	return key, key.Name + ":secret", err
}

func (h *house) RemoveKey(_ context.Context, actor model.Actor, name string) error {
	return h.note("%s removes key %s", actor.Name, name)
}

func (h *house) Membership(context.Context) (model.Membership, error) {
	return model.Membership{Role: h.role, ClusterID: "c1", ClusterName: "prod", FederationID: "f1", Since: noon()}, h.failure()
}

func (h *house) Promote(_ context.Context, actor model.Actor, name, advertise string) error {
	return h.note("%s promotes as %s at %s", actor.Name, name, advertise)
}

func (h *house) Demote(_ context.Context, actor model.Actor) error {
	return h.note("%s demotes", actor.Name)
}

func (h *house) Join(_ context.Context, actor model.Actor, token, name string) error {
	return h.note("%s joins with %s as %s", actor.Name, token, name)
}

func (h *house) Leave(_ context.Context, actor model.Actor, force bool) error {
	return h.note("%s leaves, force %v", actor.Name, force)
}

func (h *house) Settings(context.Context) (model.FedSettings, error) {
	return model.FedSettings{SyncCIResults: true}, h.failure()
}

func (h *house) SetSettings(_ context.Context, actor model.Actor, s model.FedSettings) error {
	return h.note("%s sets %+v", actor.Name, s)
}

func joinToken() model.JoinToken {
	return model.JoinToken{ID: "t1", CreatedBy: "amy", CreatedAt: noon(), ExpiresAt: noon().Add(time.Hour), MaxUses: 1}
}

func (h *house) CreateToken(_ context.Context, actor model.Actor, ttl time.Duration, uses int) (string, model.JoinToken, error) {
	return "secret token", joinToken(), h.note("%s creates a token for %s, %d uses", actor.Name, ttl, uses)
}

func (h *house) Tokens(context.Context) ([]model.JoinToken, error) {
	return []model.JoinToken{joinToken()}, h.note("tokens")
}

func (h *house) RevokeToken(_ context.Context, actor model.Actor, id string) error {
	return h.note("%s revokes %s", actor.Name, id)
}

func (h *house) Clusters(context.Context) ([]model.Cluster, error) {
	return []model.Cluster{{
		ID: "m1", Name: "edge", Role: model.Managed, Status: model.StatusSynced, JoinedAt: noon(), LastSeen: noon(),
		Head: 9, Applied: 7, ClockOffset: -1500 * time.Millisecond,
	}}, h.note("clusters")
}

func (h *house) RemoveCluster(_ context.Context, actor model.Actor, id string) error {
	return h.note("%s removes cluster %s", actor.Name, id)
}

func (h *house) Deploy(_ context.Context, actor model.Actor, id string) error {
	return h.note("%s deploys to %s", actor.Name, id)
}

// registries has methods whose names others have too.
type registries struct{ *house }

func savedRegistry() model.Registry {
	return model.Registry{
		Name: "fed.hub", Type: "oci", URL: "https://hub.example", Filters: []string{"app/*"}, Username: "bot",
		Password: "hunter2", Token: "hunter3", RescanAfterDBUpdate: true, CreatedAt: noon(), UpdatedAt: noon(),
	}
}

func (h registries) Add(_ context.Context, actor model.Actor, r model.Registry) error {
	return h.note("%s adds %s password %s", actor.Name, show(r), r.Password.Reveal())
}

func (h registries) Update(_ context.Context, actor model.Actor, r model.Registry) error {
	return h.note("%s changes %s password %s", actor.Name, show(r), r.Password.Reveal())
}

func show(r model.Registry) string {
	return fmt.Sprintf("%s %s %s %v %q rescan %v", r.Name, r.Type, r.URL, r.Filters, r.Username, r.RescanAfterDBUpdate)
}

func (h registries) Remove(_ context.Context, actor model.Actor, name string) error {
	return h.note("%s removes %s", actor.Name, name)
}

func (h registries) List(context.Context) ([]model.RegistryStatus, error) {
	run := exampleRun()
	return []model.RegistryStatus{{Registry: savedRegistry(), LastRun: &run, NextRun: noon(), Images: 3}}, h.note("registries")
}

func (h registries) Get(_ context.Context, name string) (model.RegistryStatus, error) {
	return model.RegistryStatus{Registry: savedRegistry()}, h.note("registry %s", name)
}

func exampleRun() model.Run {
	return model.Run{ID: 5, Registry: "fed.hub", Trigger: model.TriggerManual, State: model.RunScanning, StartedAt: noon(), Listed: 3, Scanned: 1}
}

func (h registries) Scan(_ context.Context, actor model.Actor, name string) (model.Run, error) {
	return exampleRun(), h.note("%s scans %s", actor.Name, name)
}

func (h registries) Stop(_ context.Context, actor model.Actor, name string) error {
	return h.note("%s stops %s", actor.Name, name)
}

func (h registries) RunStatus(_ context.Context, name string, id int64) (model.Run, error) {
	return exampleRun(), h.note("run %d of %s", id, name)
}

func (h registries) NewPushKey(_ context.Context, actor model.Actor, name string) (string, error) {
	return "K3Y", h.note("%s makes a push key of %s", actor.Name, name)
}

func (h registries) RemovePushKey(_ context.Context, actor model.Actor, name string) error {
	return h.note("%s removes the push key of %s", actor.Name, name)
}

func (h registries) Push(_ context.Context, name, key string, e model.PushEvent) error {
	return h.note("push to %s with %s: %s, %s", name, key, e.Body, e.Headers["Content-Type"])
}

func (h registries) Test(_ context.Context, actor model.Actor, r model.Registry) ([]model.DiagnosisStep, error) {
	return []model.DiagnosisStep{{Name: "resolve", OK: true, Detail: "10.0.0.1"}, {Name: "connect", Hint: "open the port"}},
		h.note("%s tests %s with password %s", actor.Name, show(r), r.Password.Reveal())
}

func knownVerdict() policy.KnownVerdict {
	return policy.KnownVerdict{
		Verdict: model.Verdict{
			Digest: digest, Source: model.SourceScan, Counts: model.Counts{Critical: 1}, OS: model.OS{Family: "debian", Version: "12"},
			DB: model.DBVersion{Revision: "r1", UpdatedAt: noon()}, ScannedAt: noon(),
		},
		Origin: model.Local, FindingsKnown: true,
	}
}

func imageSummary() model.ImageSummary {
	tag := model.Tag{Registry: "fed.hub", Host: "hub.example", Repository: "app", Tag: "1", Digest: digest}
	return model.ImageSummary{
		Image:  model.Image{Digest: digest, Platform: model.Platform{OS: "linux", Architecture: "amd64"}, Status: model.ImageFinished, ScannedAt: noon()},
		Origin: model.Local, Tags: []model.Tag{tag}, Verdicts: []model.Verdict{knownVerdict().Verdict},
	}
}

func (h *house) Images(_ context.Context, q fleet.Query) ([]model.ImageSummary, string, error) {
	return []model.ImageSummary{imageSummary()}, "next", h.note("images %+v", q)
}

func (h *house) Image(_ context.Context, d model.Digest) (model.ImageReport, error) {
	finding := model.Finding{ID: "CVE-2026-1", Package: "openssl", Installed: "1", Severity: model.Critical, Published: noon()}
	return model.ImageReport{
		ImageSummary: imageSummary(),
		Findings:     []model.ReportedFinding{{Finding: finding, Source: model.SourceScan}},
		Packages:     []model.Package{{Name: "openssl", Version: "1", Type: "debian"}},
	}, h.note("image %s", d)
}

func (h *house) Verdicts(_ context.Context, d model.Digest) ([]policy.KnownVerdict, error) {
	if err := h.note("verdicts %s", d); err != nil || len(h.known) > 0 {
		return h.known, err
	}
	return nil, fault.New(fault.NotReady, "nothing is known yet")
}

// results has a method whose name others have too.
type results struct{ *house }

func ciResult() model.CIResult {
	return model.CIResult{ID: 3, Digest: digest, Format: "trivy", Tool: "trivy", PostedBy: "ci", PostedAt: noon(), DocumentHash: "abc"}
}

func (h results) Submit(_ context.Context, actor model.Actor, s model.Submission, body io.Reader) (intake.Receipt, error) {
	n, err := io.Copy(io.Discard, body)
	if err != nil {
		return intake.Receipt{}, err
	}
	result := ciResult()
	result.Duplicate = s.Job == "again"
	return intake.Receipt{CIResult: result, Warnings: []string{"no digest"}}, h.note("%s submits %d bytes, %+v", actor.Name, n, s)
}

func (h results) Results(context.Context, string, int) ([]model.CIResult, string, error) {
	return []model.CIResult{ciResult()}, "", h.note("results")
}

func exampleRules() []policy.Rule {
	criteria := []policy.Criterion{{Name: "cveCriticalCount", Op: ">=", Value: "1"}}
	return []policy.Rule{
		{ID: 1, CfgType: policy.BuiltIn, RuleType: policy.Exception, Criteria: criteria},
		{ID: 100001, CfgType: policy.Federal, RuleType: policy.Deny, RuleMode: policy.Protect, Criteria: criteria},
		{ID: 1000, CfgType: policy.UserCreated, RuleType: policy.Deny, Criteria: criteria, Containers: []policy.ContainerKind{policy.InitContainers}},
	}
}

func (h *house) Rules(context.Context) ([]policy.Rule, error) { return exampleRules(), h.note("rules") }

func (h *house) Rule(_ context.Context, id uint32) (policy.Rule, error) {
	return exampleRules()[2], h.note("rule %d", id)
}

func (h *house) AddRule(_ context.Context, actor model.Actor, r policy.Rule) (policy.Rule, error) {
	err := h.note("%s adds rule %d %s %s", actor.Name, r.ID, r.CfgType, r.RuleType)
	r.ID = 1000
	return r, err
}

func (h *house) UpdateRule(_ context.Context, actor model.Actor, r policy.Rule) (policy.Rule, error) {
	err := h.note("%s changes rule %d", actor.Name, r.ID)
	r.CfgType = policy.UserCreated
	return r, err
}

func (h *house) RemoveRule(_ context.Context, actor model.Actor, id uint32) error {
	return h.note("%s removes rule %d", actor.Name, id)
}

func (h *house) State(context.Context) (policy.State, error) {
	return policy.State{Enable: true, Mode: policy.Monitor}, h.failure()
}

func (h *house) SetState(_ context.Context, actor model.Actor, s policy.State) error {
	return h.note("%s sets %+v", actor.Name, s)
}

func (h *house) Review(_ context.Context, req admission.Request) (admission.Decision, error) {
	hit := policy.Hit{Rule: exampleRules()[1], Mode: policy.Protect, Because: []string{"critical 1 >= 1"}, CVEs: []string{"CVE-2026-1"}}
	container := admission.ContainerDecision{
		Results: []policy.KnownVerdict{knownVerdict()}, Rule: &hit,
		Trace: []policy.Step{{ID: 100001, Outcome: "match", Why: []string{"critical 1 >= 1"}}},
	}
	if len(req.Containers) > 0 {
		container.Container = req.Containers[0]
	}
	return admission.Decision{
		Message: "denied", Rule: &hit, Violations: []policy.Hit{hit},
		Containers: []admission.ContainerDecision{container}, Warnings: []string{"careful"},
	}, h.note("review %s %s", req.Kind, req.Name)
}

func (h *house) AuditEvents(_ context.Context, cursor string, limit int) ([]model.AuditEvent, string, error) {
	return []model.AuditEvent{{Time: noon(), Actor: "amy", Action: "login", Outcome: "ok"}}, "41", h.note("audit from %q, %d", cursor, limit)
}

func examplePlugins() []api.Plugin {
	return []api.Plugin{
		{Name: "oci", Kind: "registry", Builtin: true, State: "ready", Since: noon(), Protocol: 1, PID: 7, Calls: 17, InFlight: 1, Capabilities: []string{"list"}},
		{Name: "nexus", Kind: "registry", State: "failed", Since: noon(), RetryAt: noon().Add(time.Minute), Restarts: 4, LastError: "exit status 3"},
	}
}
