package federation_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/federation"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
	"github.com/muster-sec/muster/core/store"
	"github.com/muster-sec/muster/syncer/link"
)

const (
	fedAddress = "primary.test:11443"
	waitLimit  = time.Minute
)

func admin() model.Actor {
	return model.Actor{Name: "amy", Role: model.RoleFedAdmin, Source: model.AccountLocal}
}

// flipper seals by flipping bits: enough to see that nothing is stored as it is.
type flipper struct{}

func (flipper) Seal(plain []byte) ([]byte, error) {
	out := slices.Clone(plain)
	for i := range out {
		out[i] ^= 0xff
	}
	return out, nil
}

func (f flipper) Open(sealed []byte) ([]byte, error) { return f.Seal(sealed) }

// office is the accounts and the audit trail of a cluster.
type office struct {
	mu     sync.Mutex
	events []model.AuditEvent
}

func (o *office) Audit(_ context.Context, e model.AuditEvent) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
	return nil
}

func (o *office) outcomes(action string) (outcomes []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.events {
		if e.Action == action {
			outcomes = append(outcomes, e.Outcome)
		}
	}
	return outcomes
}

// clock runs with real time from wherever a test sets it.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// cluster is one daemon, as far as federation goes. It can be killed and started
// again on the same database.
type cluster struct {
	*federation.Service
	t     testing.TB
	name  string
	path  string
	net   *network
	clock *clock
	// notify is for how long this cluster tries to tell the others that it goes.
	notify time.Duration
	// enrolled, when set, is called when an enrolment is durable here and the
	// registrar does not know yet.
	enrolled func(id string)
	store    *store.Store
	staff    *office
	log      *bytes.Buffer

	mu      sync.Mutex
	applied []feed.Kind
	renewed int // how often anything may have changed

	stop context.CancelFunc
	done chan error
}

func newCluster(t testing.TB, n *network, name string) *cluster {
	t.Helper()
	c := &cluster{
		t: t, name: name, path: filepath.Join(t.TempDir(), "muster.db"), net: n, clock: &clock{}, notify: waitLimit, staff: &office{}, log: &bytes.Buffer{},
	}
	c.open()
	c.start()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, c.log)
		}
	})
	return c
}

// open opens the store and builds the service, without running it.
func (c *cluster) open() {
	c.t.Helper()
	st, err := store.Open(context.Background(), store.Options{Path: c.path, Now: c.clock.now})
	if err != nil {
		c.t.Fatal(err)
	}
	err = st.AddAccount(context.Background(), model.Account{Username: admin().Name, Role: model.RoleAdmin}, "hash")
	if err != nil && fault.KindOf(err) != fault.Conflict { // there since the first start
		c.t.Fatal(err)
	}
	svc, err := federation.New(federation.Options{
		Store: federation.Store{
			Memberships: st, Secrets: st, Tokens: st, Members: members{st, c}, MemberKeys: st, Switches: st, Changes: st, Summarizer: st,
			Feed: st.Feed(), Replica: st.Replica(),
		},
		Sealer: flipper{}, Auditor: c.staff, Transport: c.net, ClusterName: c.name,
		Listen: fedAddress, Fallback: http.NotFoundHandler(), Version: "1.0.0", Now: c.clock.now,
		Applied: func(kinds []feed.Kind) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.applied = append(c.applied, kinds...)
			if len(kinds) == 0 {
				c.renewed++
			}
		},
		Link: link.Options{
			// Sessions must not end by silence because the machine is busy.
			Interval: 10 * time.Second, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond, Summary: 50 * time.Millisecond,
		},
		Timing: federation.Timing{Notify: c.notify, Seen: 50 * time.Millisecond, Collect: time.Hour, Tombstone: time.Hour},
		Log:    slog.New(slog.NewTextHandler(&lockedWriter{to: c.log}, nil)),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.store, c.Service = st, svc
}

// members lets a test act between the two halves of an enrolment.
type members struct {
	*store.Store
	c *cluster
}

func (m members) EnrolCluster(
	ctx context.Context, token string, c model.Cluster, keyID string, issue func(model.JoinToken) ([]byte, error),
) (id string, certificate []byte, err error) {
	id, certificate, err = m.Store.EnrolCluster(ctx, token, c, keyID, issue)
	if err == nil && m.c.enrolled != nil {
		m.c.enrolled(id)
	}
	return id, certificate, err
}

type lockedWriter struct {
	mu sync.Mutex
	to *bytes.Buffer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func (c *cluster) start() {
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	c.done = make(chan error, 1)
	svc, done := c.Service, c.done
	go func() { done <- svc.Run(ctx) }()
}

// kill ends the daemon; what it has not committed is lost.
func (c *cluster) kill() {
	c.t.Helper()
	if c.stop == nil {
		return
	}
	c.stop()
	c.stop = nil
	select {
	case err := <-c.done:
		if err != nil {
			c.t.Errorf("%s ended with %v", c.name, err)
		}
	case <-time.After(waitLimit):
		c.t.Fatalf("%s does not end", c.name)
	}
	if err := c.store.Close(); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) restart() {
	c.t.Helper()
	c.kill()
	c.open()
	c.start()
}

// copyDatabase copies the database of a daemon that is not running.
func (c *cluster) copyDatabase() (path string) {
	c.t.Helper()
	body, err := os.ReadFile(c.path)
	if err != nil {
		c.t.Fatal(err)
	}
	path = filepath.Join(c.t.TempDir(), "backup.db")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *cluster) promote() {
	c.t.Helper()
	if err := c.Promote(c.t.Context(), admin(), c.name, fedAddress); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) token() string {
	c.t.Helper()
	token, _, err := c.CreateToken(c.t.Context(), admin(), 0, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

func (c *cluster) join(primary *cluster) {
	c.t.Helper()
	token := primary.token()
	if err := c.Join(c.t.Context(), admin(), token, ""); err != nil {
		c.t.Fatalf("join: %v (%s)", err, fault.HintOf(err))
	}
}

func (c *cluster) role() model.ClusterRole {
	c.t.Helper()
	m, err := c.Membership(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return m.Role
}

// see gives the state of a cluster as this one sees it.
func (c *cluster) see(name string) model.Cluster {
	c.t.Helper()
	clusters, err := c.Clusters(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, other := range clusters {
		if other.Name == name {
			return other
		}
	}
	return model.Cluster{}
}

func (c *cluster) addRule(comment string) policy.Rule {
	c.t.Helper()
	r, err := c.store.AddRule(c.t.Context(), policy.Rule{
		Comment: comment, CfgType: policy.Federal, RuleType: policy.Deny,
		Criteria: []policy.Criterion{{Name: "namespace", Op: "containsAny", Value: "prod"}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// rules are the comments of the federal rules here.
func (c *cluster) rules() string {
	c.t.Helper()
	rules, err := c.store.Rules(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	var comments []string
	for _, r := range rules {
		if r.CfgType == policy.Federal {
			comments = append(comments, r.Comment)
		}
	}
	return strings.Join(comments, " ")
}

// eventually polls until ok.
func (c *cluster) eventually(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.After(waitLimit)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline:
			c.t.Fatalf("%s: still not after %s: %s", c.name, waitLimit, what)
		}
	}
}

func (c *cluster) eventuallyRules(want string) {
	c.t.Helper()
	c.eventually("rules "+want, func() bool { return c.rules() == want })
}

// wantFault checks the kind of a failure, and that it says what to do next.
func wantFault(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || fault.KindOf(err) != kind {
		t.Errorf("error %v, want one of kind %s", err, kind)
		return
	}
	if f.Kind != fault.NotFound && fault.HintOf(err) == "" {
		t.Errorf("error %v has no hint", err)
	}
}
