package plughost

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
)

// rawHost runs the plugins without manners.
func rawHost(t *testing.T, change func(*Options)) *hosted {
	t.Helper()
	return startHost(t, func(o *Options) {
		o.Builtins = []Builtin{{sdk.KindRegistry, "raw-registry"}, {sdk.KindIngest, "raw-ingest"}, {sdk.KindRegistry, "shouting"}}
		for name := range lies() {
			o.Builtins = append(o.Builtins, Builtin{sdk.KindRegistry, name})
		}
		if change != nil {
			change(o)
		}
	})
}

// TestMessageSizes: 5 MiB pass in both directions, 50 MiB are an error of that
// one call, whoever sends them.
func TestMessageSizes(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	r, err := h.Registry("puppet")
	if err != nil {
		t.Fatal(err)
	}
	const fits, tooLarge = 5 << 20, 50 << 20
	if got, err := h.puppet(t, `{"do":"big","arg":"`+strconv.Itoa(fits)+`"}`); len(got) != fits || err != nil {
		t.Errorf("of %d bytes %d arrived: %v", fits, len(got), err)
	}
	if _, err := h.puppet(t, `{"do":"big","arg":"`+strconv.Itoa(tooLarge)+`"}`); !errors.Is(err, sdk.ErrLimit) {
		t.Errorf("an answer of 50 MiB gives %v", err)
	}
	push, err := r.DecodePush(t.Context(), nil, sdk.PushEvent{Body: make([]byte, fits)})
	if err != nil || push[0].Tag != strconv.Itoa(fits) {
		t.Errorf("a question of 5 MiB gives %v, %v", push, err)
	}
	if _, err := r.DecodePush(t.Context(), nil, sdk.PushEvent{Body: make([]byte, tooLarge)}); !errors.Is(err, sdk.ErrLimit) {
		t.Errorf("a question of 50 MiB gives %v", err)
	}
	if st := h.await(t, sdk.KindRegistry, "puppet", func(Status) bool { return true }); st.Restarts != 0 {
		t.Errorf("it cost a restart: %+v", st)
	}
	raw, err := rawHost(t, nil).Registry("raw-registry")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Credential(t.Context(), nil, "x"); !errors.Is(err, sdk.ErrLimit) {
		t.Errorf("50 MiB from a plugin without limits give %v", err)
	}
}

// TestEndlessAnswers: a stream ends at the limit for what it carries, and one
// that carries nothing at the call timeout.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	within := func(d time.Duration) *hosted {
		return rawHost(t, func(o *Options) {
			o.Declared = []Declaration{{Name: "raw-registry", Kind: sdk.KindRegistry, Limits: Limits{CallTimeout: d}}}
		})
	}
	h, short := within(5*time.Minute), within(2*time.Second)
	r, err := h.Registry("raw-registry")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err = range r.Repositories(t.Context(), nil) {
		n++
	}
	if !errors.Is(err, sdk.ErrLimit) || n > sdk.MaxListed+1 {
		t.Errorf("an endless listing gives %d names and %v", n, err)
	}
	if r, err = short.Registry("raw-registry"); err != nil {
		t.Fatal(err)
	}
	for _, err = range r.Tags(t.Context(), nil, "x") {
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("endless empty pages give %v", err)
	}
	in, err := h.Ingester("raw-ingest")
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Parse(t.Context(), bytes.NewReader(nil), sink{}); !errors.Is(err, sdk.ErrLimit) {
		t.Errorf("an endless document gives %v", err)
	}
}

// sink drops everything.
type sink struct{}

func (sink) Subject(sdk.Subject) error    { return nil }
func (sink) Packages([]sdk.Package) error { return nil }
func (sink) Findings([]sdk.Finding) error { return nil }
func (sink) Warn(string) error            { return nil }

func TestLies(t *testing.T) {
	t.Parallel()
	h := rawHost(t, nil)
	for name, lie := range lies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := h.Describe(t.Context(), sdk.KindRegistry, name)
			if !errors.Is(err, ErrFailed) && !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), lie.want) {
				t.Errorf("%v, want %q", err, lie.want)
			}
			st := h.await(t, sdk.KindRegistry, name, func(st Status) bool { return st.State == StateFailed })
			if len(st.LastError) > 2000 {
				t.Errorf("the status carries %d bytes of the lie", len(st.LastError))
			}
		})
	}
}

// TestClaimWithoutService: a plugin of the right kind that serves nothing.
func TestClaimWithoutService(t *testing.T) {
	t.Parallel()
	in, err := rawHost(t, nil).Ingester("raw-ingest")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Recognize(t.Context(), []byte("{}")); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("a method that is not there gives %v", err)
	}
}

// TestFloods: a plugin that writes without end to everything it has slows down
// itself, and neither the host nor its log.
func TestFloods(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	if _, err := h.puppet(t, `{"do":"flood"}`); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := h.puppet(t, `{}`); err != nil {
			t.Fatalf("during the flood: %v", err)
		}
	}
	h.log.await(t, `"text":"flood`)
	if n := len(h.log.String()); n > 32<<20 {
		t.Errorf("the log has grown to %d bytes", n)
	}
	if st := h.await(t, sdk.KindRegistry, "puppet", func(Status) bool { return true }); st.Restarts != 0 {
		t.Errorf("the flood cost the process: %+v", st)
	}
	raw := rawHost(t, nil)
	go func() { _, _ = raw.Describe(t.Context(), sdk.KindRegistry, "shouting") }()
	raw.await(t, sdk.KindRegistry, "shouting", func(st Status) bool { return st.LastError != "" })
}

func TestPanicBesideACallIsACrash(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	if _, err := h.puppet(t, `{"do":"fall"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("it gives %v", err)
	}
	h.log.await(t, `"level":"ERROR","msg":"plugin log","plugin":"puppet","kind":"registry","text":"panic: from a height`)
	h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady && s.Restarts == 1 })
}

func TestDescriptorHog(t *testing.T) {
	t.Parallel()
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{OpenFiles: 100}}}
	})
	opened, err := h.puppet(t, `{"do":"files"}`)
	if n, _ := strconv.Atoi(opened); err != nil || n == 0 || n >= 100 {
		t.Errorf("it opened %q files of 100: %v", opened, err)
	}
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestDeletedSocket: somebody cleans up temporary files.
func TestDeletedSocket(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(h.opts.RuntimeDir, "plugin-dir*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%v, %v", dirs, err)
	}
	if err := os.RemoveAll(dirs[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Errorf("without its socket: %v", err)
	}
	if _, err := h.puppet(t, `{"do":"exit"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady && s.Restarts == 1 })
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestConfigurationsAreCheckedFirst: what does not fit the schema never
// reaches the plugin.
func TestConfigurationsAreCheckedFirst(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	for _, cfg := range []string{`{"do":7}`, `{"no such setting":1}`, `{"`, `[]`} {
		if _, err := h.puppet(t, cfg); !errors.Is(err, sdk.ErrInvalid) || strings.Contains(err.Error(), "Decode") {
			t.Errorf("%s gives %v", cfg, err)
		}
	}
	r, err := h.Registry("puppet")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.Repositories(t.Context(), sdk.Config(`{"do":7}`)) {
		if !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("a stream gives %v", err)
		}
	}
	if st := h.await(t, sdk.KindRegistry, "puppet", func(Status) bool { return true }); st.Calls > 1 { // the stream had been opened
		t.Errorf("%d calls reached the plugin", st.Calls)
	}
}

// TestSecretsAreMasked: what the schema marks as a secret comes back neither in
// an error nor in the log, in whichever way the plugin writes it.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Env: map[string]model.Secret{"KEY": "of-the-environment"}}}
	})
	_, err := h.puppet(t, `{"do":"leak","password":"hunter2\"/&?"}`)
	if !errors.Is(err, sdk.ErrUnauthorized) || !strings.Contains(err.Error(), "https://me:****@registry.example") {
		t.Errorf("the error is %v", err)
	}
	if _, err := h.puppet(t, `{"do":"stderr","arg":"KEY is of-the-environment"}`); err != nil {
		t.Fatal(err)
	}
	h.log.await(t, "https://me:****@registry.example")
	h.log.await(t, "KEY is ****")
	if strings.Contains(h.log.String(), "hunter2") {
		t.Errorf("the log shows the password:\n%s", h.log)
	}
}
