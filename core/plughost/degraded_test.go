package plughost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
)

// TestDegraded: a plugin that says it is ill, or misses a health check, is
// degraded, serves calls all the same, keeps its process, and is ready again
// when it is well.
func TestDegraded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"disk full", "none"} { // a problem, no answer
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mood := filepath.Join(t.TempDir(), "mood")
			h := startHost(t, func(o *Options) {
				o.Builtins = []Builtin{{sdk.KindRegistry, "moody"}}
				o.Declared = []Declaration{{Name: "moody", Kind: sdk.KindRegistry, Env: map[string]model.Secret{"MOOD": model.Secret(mood)}}}
				o.HealthTimeout, o.HealthMisses = 500*time.Millisecond, 1000
			})
			if _, err := h.Describe(t.Context(), sdk.KindRegistry, "moody"); err != nil {
				t.Fatal(err)
			}
			ready := h.await(t, sdk.KindRegistry, "moody", func(s Status) bool { return s.State == StateReady })
			if err := os.WriteFile(mood, []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
			ill := h.await(t, sdk.KindRegistry, "moody", func(s Status) bool { return s.State == StateDegraded })
			if name != "none" && !strings.Contains(ill.LastError, name) || ill.LastError == "" || ill.PID != ready.PID || ill.Since.Before(ready.Since) {
				t.Errorf("ill: %+v, before: %+v", ill, ready)
			}
			if _, err := h.Describe(t.Context(), sdk.KindRegistry, "moody"); err != nil {
				t.Errorf("it takes no calls: %v", err)
			}
			if err := os.Remove(mood); err != nil {
				t.Fatal(err)
			}
			well := h.await(t, sdk.KindRegistry, "moody", func(s Status) bool { return s.State == StateReady })
			if well.PID != ready.PID || well.Restarts != 0 {
				t.Errorf("well again: %+v, before: %+v", well, ready)
			}
		})
	}
}
