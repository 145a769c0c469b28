package plughost

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-sec/muster/plugins/sdk"
)

func decimal[T ~int | ~uintptr](n T) string { return strconv.FormatUint(uint64(n), 10) }

func TestStateMachine(t *testing.T) {
	t.Parallel()
	reached := map[State]bool{StateDeclared: true}
	for _, s := range States() {
		for _, next := range s.next() {
			reached[next] = true
		}
		if s != StateStopped && !s.leadsTo(StateStopped) {
			t.Errorf("a host that ends leaves a plugin %s", s)
		}
		if s == StateStopped && len(s.next()) > 0 {
			t.Errorf("stopped leads to %v", s.next())
		}
		if !s.leadsTo(s) {
			t.Errorf("%s does not stay", s)
		}
	}
	for _, s := range States() {
		if !reached[s] {
			t.Errorf("nothing leads to %s", s)
		}
	}
	if StateFailed.leadsTo(StateReady) || StateDeclared.leadsTo(StateReady) {
		t.Error("a plugin is ready without having started")
	}
}

// TestProtocolVersions: a host of one release later still runs a plugin of
// this one; a host of two releases later does not.
func TestProtocolVersions(t *testing.T) {
	t.Parallel()
	next := startHost(t, func(o *Options) { o.protocol = sdk.ProtocolVersion + 1 })
	if _, err := next.puppet(t, `{}`); err != nil {
		t.Errorf("the version before: %v", err)
	}
	if st := next.await(t, sdk.KindRegistry, "puppet", func(Status) bool { return true }); st.Protocol != sdk.ProtocolVersion {
		t.Errorf("agreed on version %d", st.Protocol)
	}
	later := startHost(t, func(o *Options) { o.protocol = sdk.ProtocolVersion + 2 })
	if _, err := later.puppet(t, `{}`); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "build the plugin with the SDK") {
		t.Errorf("two versions before: %v", err)
	}
}

// TestReconfigureLosesNoCall changes a plugin's declaration again and again
// under callers that never stop.
func TestReconfigureLosesNoCall(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	made := make([]int, 4)
	for i := range made {
		callers.Go(func() {
			for ctx.Err() == nil {
				if _, err := h.puppet(t, `{}`); err != nil {
					t.Errorf("a call was lost: %v", err)
					return
				}
				made[i]++
			}
		})
	}
	pids := map[string]bool{}
	for i := range 5 {
		d := Declaration{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CPU: i + 1}}
		if err := h.Reconfigure(t.Context(), []Declaration{d}); err != nil {
			t.Fatal(err)
		}
		pid, err := h.puppet(t, `{}`)
		if err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
	}
	cancel()
	callers.Wait()
	if len(pids) < 4 || made[0] == 0 { // the first may equal what runs already
		t.Errorf("processes %v, calls %v", pids, made)
	}
}

// TestReconfigureLetsCallsFinish: a call that is under way ends on the process
// that it began on, and only then does that process end.
func TestReconfigureLetsCallsFinish(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	before, err := h.puppet(t, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	release := filepath.Join(t.TempDir(), "release")
	type answer struct {
		pid string
		err error
	}
	waiting := make(chan answer, 1)
	go func() {
		pid, err := h.puppet(t, `{"do":"sleep","arg":"`+release+`"}`)
		waiting <- answer{pid, err}
	}()
	old := h.supervisor(t, sdk.KindRegistry, "puppet")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !old.busy() {
		<-tick.C
	}
	if err := h.Reconfigure(t.Context(), []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CPU: 7}}}); err != nil {
		t.Fatal(err)
	}
	after, err := h.puppet(t, `{}`)
	if err != nil || after == before {
		t.Errorf("a new call went to %s (before: %s), %v", after, before, err)
	}
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-waiting; got.err != nil || got.pid != before {
		t.Errorf("the call under way: %+v, began on %s", got, before)
	}
	pid, err := strconv.Atoi(before)
	if err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pid)
}

// TestReconfigureAllOrNothing: a declaration that cannot work leaves all as it is.
func TestReconfigureAllOrNothing(t *testing.T) {
	t.Parallel()
	path, sum := self(t)
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "kept", Kind: sdk.KindRegistry, Path: path, SHA256: sum, Args: []string{"plugin", "serve", "registry", "mine"}}}
	})
	before, err := h.puppet(t, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	good := Declaration{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CPU: 3}}
	for name, bad := range map[string]Declaration{
		"checksum":  {Name: "new", Kind: sdk.KindRegistry, Path: path, SHA256: strings.Repeat("0", 64)},
		"validate":  {Name: "new", Kind: sdk.KindRegistry, Path: "relative", SHA256: sum},
		"no plugin": {Name: "puppet", Kind: sdk.KindRegistry, Path: path, SHA256: sum, Args: []string{"plugin", "serve", "registry", "no-handshake"}},
	} {
		declared := []Declaration{bad}
		if bad.Name != "puppet" {
			declared = append(declared, good)
		}
		if err := h.Reconfigure(t.Context(), declared); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if pid, err := h.puppet(t, `{}`); pid != before || err != nil {
			t.Errorf("%s: the plugin is %s now, it was %s: %v", name, pid, before, err)
		}
		if _, err := h.find(sdk.KindRegistry, "kept"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := h.find(sdk.KindRegistry, "new"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: half of it was taken: %v", name, err)
		}
	}
}

// TestReconfigureRemovesAndAddsAgain: a client follows its plugin's declaration.
func TestReconfigureRemovesAndAddsAgain(t *testing.T) {
	t.Parallel()
	path, sum := self(t)
	d := Declaration{Name: "outside", Kind: sdk.KindRegistry, Path: path, SHA256: sum, Args: []string{"plugin", "serve", "registry", "mine"}}
	h := startHost(t, func(o *Options) { o.Declared = []Declaration{d} })
	r, err := h.Registry("outside")
	if err != nil {
		t.Fatal(err)
	}
	call := func() error {
		_, err := r.Credential(t.Context(), nil, "x")
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	pid := h.await(t, sdk.KindRegistry, "outside", func(Status) bool { return true }).PID
	if err := h.Reconfigure(t.Context(), []Declaration{d}); err != nil {
		t.Fatal(err)
	}
	if err := call(); err != nil || h.Plugins()[0].PID != pid {
		t.Errorf("an equal declaration is a change: %v, %+v", err, h.Plugins()[0])
	}
	if err := h.Reconfigure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pid)
	if err := call(); !errors.Is(err, ErrUnknown) {
		t.Errorf("a plugin that was taken out gives %v", err)
	}
	if err := h.Reconfigure(t.Context(), []Declaration{d}); err != nil {
		t.Fatal(err)
	}
	if err := call(); err != nil {
		t.Errorf("after its return: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Fatal(err)
	}
	if _, err := h.puppet(t, `{"do":"exit"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Fatal(err)
	}
	h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady && s.Restarts == 1 })
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(h.Collector()); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			got[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for key, want := range map[string]float64{
		"muster_plugin_state registry puppet ready":                           1,
		"muster_plugin_state registry puppet backoff":                         0,
		"muster_plugin_state ingest counter declared":                         1,
		"muster_plugin_restarts_total registry puppet":                        1,
		"muster_plugin_restarts_total ingest counter":                         0,
		"muster_plugin_calls_total OK registry GetCredential puppet":          1,
		"muster_plugin_calls_total Unavailable registry GetCredential puppet": 1,
		"muster_plugin_call_duration_seconds registry puppet":                 2,
		"muster_plugin_calls_in_flight registry puppet":                       0,
	} {
		if value, ok := got[key]; !ok || value != want {
			t.Errorf("%s is %v, %v; want %v", key, value, ok, want)
		}
	}
}

// TestPace: a burst passes at once, what follows waits, until the process is gone.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		r := pacedReader{io.NopCloser(strings.NewReader(strings.Repeat("x", outputBurst+3*outputPerSecond))), newPace(ended)}
		start := time.Now()
		if n, err := io.Copy(pacedWriter{io.Discard, newPace(ended)}, r); err != nil || n != outputBurst+3*outputPerSecond {
			t.Errorf("%d bytes, %v", n, err)
		}
		if took := time.Since(start); took < 2900*time.Millisecond || took > 4*time.Second {
			t.Errorf("it took %s", took)
		}
		close(ended)
		start = time.Now()
		r.pace.wait(outputBurst)
		if took := time.Since(start); took != 0 {
			t.Errorf("after the end it waits %s", took)
		}
	})
}
