package daemon

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/plughost"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/plugins/sdk"
)

// TestBuiltinBehindAProxy: the environment that the configuration gives a
// built-in reaches its process, and with it the registry behind a proxy.
func TestBuiltinBehindAProxy(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	registry := memory.New(memory.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "registry.invalid" { // a request to a proxy names the host in its first line
			http.Error(w, "not for me: "+r.URL.String(), http.StatusBadGateway)
			return
		}
		asked.Add(1)
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	c, err := config.Load(config.Sources{
		Environ: []string{"MUSTER_PLUGINS=[{name: oci, kind: registry, env: {HTTP_PROXY: '" + proxy.URL + "'}, limits: {memory: 256MiB}}]"},
		Flags:   map[string]string{"data-dir": t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := newPluginHost(c, []string{"/proc/self/exe", "serve-plugin"}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	reg := model.Registry{Name: "far", Type: "oci", URL: "http://registry.invalid"}
	err = h.Registries(registryhttp.NewHosts(time.Now)).ListRepositories(t.Context(), reg, func(string) error { return nil })
	if err != nil || asked.Load() == 0 {
		t.Errorf("%v; the proxy was asked %d times", err, asked.Load())
	}
}

// TestNoSuchBuiltin: an entry without a path must name a built-in that runs as
// a process.
func TestNoSuchBuiltin(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"nexus": "registry", "direct": "transport"} {
		c := config.Default()
		c.DataDir, c.Plugins = filepath.Join(t.TempDir(), "data"), []config.Plugin{{Name: name, Kind: kind}}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		_, err := newPluginHost(c, nil, slog.New(slog.DiscardHandler))
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), kind+"/"+name+" has no path") || !strings.Contains(fault.HintOf(err), "of kind "+kind) {
			t.Errorf("%v; hint %q", err, fault.HintOf(err))
		}
	}
}

// TestPluginStatus: everything the host knows is said; a time of a next start
// only while the plugin waits for it.
func TestPluginStatus(t *testing.T) {
	t.Parallel()
	since, retry := built(), built().Add(time.Minute)
	for state, wantRetry := range map[plughost.State]time.Time{
		plughost.StateReady: {}, plughost.StateStarting: {}, plughost.StateBackoff: retry, plughost.StateFailed: retry,
	} {
		got := pluginOf(plughost.Status{
			Name: "oci", Kind: sdk.KindRegistry, Builtin: true, Version: "1", Capabilities: []string{"x"}, Protocol: 2, State: state,
			Since: since, PID: 7, Restarts: 3, Calls: 17, InFlight: 1, LastError: "e", RetryAt: retry,
		})
		want := api.Plugin{
			Name: "oci", Kind: "registry", Builtin: true, Version: "1", Capabilities: []string{"x"}, Protocol: 2, State: string(state),
			Since: since, PID: 7, Restarts: 3, Calls: 17, InFlight: 1, LastError: "e", RetryAt: wantRetry,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", state, diff)
		}
	}
}
