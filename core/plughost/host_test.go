package plughost

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
)

// hosted is a host that runs for the length of a test.
type hosted struct {
	*Host
	log  *syncBuffer
	stop func(testing.TB) // ends the host and waits for it
}

// startHost runs a host with quick timings. change may alter the options.
func startHost(t testing.TB, change func(*Options)) *hosted {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph") // short: t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	opts := Options{
		Builtins: []Builtin{
			{sdk.KindRegistry, "puppet"}, {sdk.KindIngest, "counter"}, {sdk.KindTransport, "loopback"},
			{sdk.KindRegistry, "wrong-protocol"}, {sdk.KindRegistry, "wrong-kind"},
			{sdk.KindRegistry, "no-handshake"}, {sdk.KindRegistry, "elsewhere"},
		},
		RuntimeDir:    filepath.Join(dir, "p"),
		Log:           slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		HealthEvery:   50 * time.Millisecond,
		HealthTimeout: time.Minute, // a busy machine makes no plugin ill; tests of health shorten it
		HealthMisses:  2,
	}
	if change != nil {
		change(&opts)
	}
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	var once sync.Once
	stop := func(t testing.TB) {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		stop(t)
		if left, _ := os.ReadDir(opts.RuntimeDir); len(left) > 0 {
			t.Errorf("left in the runtime folder: %v", left)
		}
		if strings.Contains(log.String(), "state machine is broken") {
			t.Errorf("log:\n%s", log)
		}
		os.RemoveAll(dir)
	})
	return &hosted{Host: h, log: log, stop: stop}
}

func (h *hosted) supervisor(t *testing.T, kind sdk.Kind, name string) *supervisor {
	t.Helper()
	place, err := h.find(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	return place.current.Load()
}

// await waits until a plugin's status fulfils want.
func (h *hosted) await(t *testing.T, kind sdk.Kind, name string, want func(Status) bool) Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	st, err := h.supervisor(t, kind, name).await(ctx, want)
	if err != nil {
		t.Fatalf("status stays %+v\nlog:\n%s", st, h.log)
	}
	return st
}

func (h *hosted) puppet(t *testing.T, cfg string) (string, error) {
	t.Helper()
	r, err := h.Registry("puppet")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := r.Credential(ctx, sdk.Config(cfg), "repo")
	return c.Username, err
}

func TestBuiltinServesFromAnotherProcess(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	pid, err := h.puppet(t, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	if pid == strconv.Itoa(os.Getpid()) {
		t.Error("the plugin runs in this process")
	}
	st := h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady })
	if strconv.Itoa(st.PID) != pid || st.Version != "1.2.3" || !st.Builtin || st.Calls == 0 || st.Restarts != 0 {
		t.Errorf("status is %+v, the plugin's pid is %s", st, pid)
	}
}

func TestConcurrentCallersShareOneProcess(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	pids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range pids {
		wg.Go(func() {
			pid, err := h.puppet(t, `{}`)
			if err != nil {
				t.Error(err)
			}
			pids[i] = pid
		})
	}
	wg.Wait()
	for _, pid := range pids {
		if pid != pids[0] {
			t.Fatalf("several processes: %v", pids)
		}
	}
}

func TestListingIsPagedAndKeepsItsError(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	r, err := h.Registry("puppet")
	if err != nil {
		t.Fatal(err)
	}
	n, last := 0, ""
	var listErr error
	for name, err := range r.Repositories(t.Context(), sdk.Config(`{"do":"break","arg":"3000"}`)) {
		if err != nil {
			listErr = err
			break
		}
		n, last = n+1, name
	}
	if n != 3000 || last != "repo-02999" {
		t.Errorf("listed %d, last %q", n, last)
	}
	if !errors.Is(listErr, sdk.ErrUnavailable) || !strings.Contains(listErr.Error(), "page 3") {
		t.Errorf("the error of the listing is %v", listErr)
	}
}

// TestWhoEndedAStream: the caller, the call timeout and the end of the process
// must not be taken for each other.
func TestWhoEndedAStream(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		timeout time.Duration
		end     func(h *hosted, leave func())
		want    error
	}{
		"the caller":       {time.Minute, func(_ *hosted, leave func()) { leave() }, context.Canceled},
		"the call timeout": {2 * time.Second, func(*hosted, func()) {}, context.DeadlineExceeded},
		"the process": {time.Minute, func(h *hosted, _ func()) {
			for _, st := range h.Plugins() {
				if st.PID != 0 {
					killGroup(st.PID)
				}
			}
		}, sdk.ErrUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, func(o *Options) {
				o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CallTimeout: tt.timeout}}}
			})
			r, err := h.Registry("puppet")
			if err != nil {
				t.Fatal(err)
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			first := true
			for _, err = range r.Repositories(ctx, sdk.Config(`{"do":"hang","arg":"600"}`)) {
				if first {
					go tt.end(h, leave)
					first = false
				}
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("the stream ended with %v, want %v", err, tt.want)
			}
		})
	}
}

func TestDocumentStreamsThroughAProcess(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	in, err := h.Ingester("counter")
	if err != nil {
		t.Fatal(err)
	}
	const size = 3<<20 + 17
	var got sdk.Collector
	if err := in.Parse(t.Context(), bytes.NewReader(make([]byte, size)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Document.Subject.Tool != strconv.Itoa(size) {
		t.Errorf("the plugin counted %s bytes of %d", got.Document.Subject.Tool, size)
	}
}

func TestExternalPluginByChecksum(t *testing.T) {
	t.Parallel()
	path, sum := self(t)
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{
			{Name: "outside", Kind: sdk.KindRegistry, Path: path, SHA256: sum, Args: []string{"plugin", "serve", "registry", "mine"}},
			{Name: "forged", Kind: sdk.KindRegistry, Path: path, SHA256: strings.Repeat("0", 64)},
		}
	})
	h.await(t, sdk.KindRegistry, "outside", func(s Status) bool { return s.State == StateVerified })
	d, err := h.Describe(t.Context(), sdk.KindRegistry, "outside")
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "mine" || d.Version != "1.2.3" {
		t.Errorf("described as %+v", d)
	}
	h.await(t, sdk.KindRegistry, "forged", func(s Status) bool { return s.State == StateFailed })
	_, err = h.Describe(t.Context(), sdk.KindRegistry, "forged")
	if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "checksum") || !strings.Contains(err.Error(), sum) {
		t.Errorf("a forged executable gives %v", err)
	}
}

func TestWrongPlugins(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // name → what the error says
		"wrong-protocol": "Plugin version: 99, Client versions: [1]",
		"wrong-kind":     "declared as registry",
		"no-handshake":   "hello, I am no plugin",
		"elsewhere":      "not in its folder",
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			go func() { _, _ = h.Describe(ctx, sdk.KindRegistry, name) }()
			st := h.await(t, sdk.KindRegistry, name, func(s Status) bool { return s.LastError != "" })
			if !strings.Contains(st.LastError, want) {
				t.Errorf("last error is %q, not about %q", st.LastError, want)
			}
		})
	}
}

func TestCrashIsAnErrorThenARestart(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	before, err := h.puppet(t, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.puppet(t, `{"do":"exit"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("a crash during a call gives %v", err)
	}
	h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady && s.Restarts == 1 })
	after, err := h.puppet(t, `{}`)
	if err != nil || after == before {
		t.Errorf("after the crash of %s the plugin is %s, error %v", before, after, err)
	}
}

func TestPanicIsAnErrorOfOneCall(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	before, _ := h.puppet(t, `{}`)
	_, err := h.puppet(t, `{"do":"panic"}`)
	if err == nil || !strings.Contains(err.Error(), "at the disco") {
		t.Errorf("a panic gives %v", err)
	}
	if after, err := h.puppet(t, `{}`); err != nil || after != before {
		t.Errorf("the panic cost the process: %s, then %s, %v", before, after, err)
	}
}

func TestFrozenPluginIsKilledAndReplaced(t *testing.T) {
	t.Parallel()
	h := startHost(t, func(o *Options) { o.HealthTimeout = time.Second })
	before, err := h.puppet(t, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.puppet(t, `{"do":"freeze"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("a call on a frozen plugin gives %v", err)
	}
	st := h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady && s.Restarts > 0 })
	if strconv.Itoa(st.PID) == before || !strings.Contains(st.LastError, "health checks") {
		t.Errorf("after freezing %s: %+v", before, st)
	}
}

func TestHostileStderrLines(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	for _, line := range []string{
		`{\"@message\":1}`, `{\"@level\":[],\"@timestamp\":{}}`, `{\"msg\":\"well formed\",\"level\":\"WARN\"}`,
		`{\"unfinished`, "plain words", strings.Repeat("x", 100_000),
	} {
		if _, err := h.puppet(t, `{"do":"stderr","arg":"`+line+`"}`); err != nil {
			t.Fatalf("after %.30s: %v", line, err)
		}
	}
	h.log.await(t, `"level":"WARN","msg":"plugin log","plugin":"puppet","kind":"registry","text":"well formed"`)
	h.log.await(t, `"text":"plain words"`)
	h.log.await(t, `"truncated":true`)
}

func TestEnvironmentIsWhatIsDeclared(t *testing.T) {
	t.Setenv("MUSTER_TEST_SECRET", "of the host")
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Env: map[string]model.Secret{"HTTPS_PROXY": "http://proxy:3128"}}}
	})
	env, err := h.puppet(t, `{"do":"environ"}`)
	if err != nil {
		t.Fatal(err)
	}
	for entry := range strings.SplitSeq(env, "\x1e") { // values have lines of their own
		name, _, _ := strings.Cut(entry, "=")
		if !reservedEnv(name) && name != "HTTPS_PROXY" {
			t.Errorf("the plugin sees %s", name)
		}
	}
	if !strings.Contains(env, "HTTPS_PROXY=http://proxy:3128") {
		t.Errorf("the declared variable is missing in %q", env)
	}
}

func TestCallTimeout(t *testing.T) {
	t.Parallel()
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CallTimeout: 2 * time.Second}}}
	})
	if _, err := h.puppet(t, `{"do":"hang"}`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that hangs gives %v", err)
	}
}

// syncBuffer is a buffer for a logger that a test reads meanwhile.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *syncBuffer) await(t *testing.T, want string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(20 * time.Second); ; {
		if strings.Contains(b.String(), want) {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("the log does not show %s:\n%s", want, b)
		}
	}
}
