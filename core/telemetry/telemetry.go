// Package telemetry lets an operator see what the daemon does: its log, its
// metrics, whether it is alive and ready. Everything is built and handed in;
// nothing registers itself anywhere.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/muster-sec/muster/core/fault"
)

// NewLogger makes a logger that writes lines of a format ("text" or "json") at
// and above a level ("debug", "info", "warn", "error") to w.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var at slog.Level
	if err := at.UnmarshalText([]byte(level)); err != nil {
		return nil, fault.New(fault.Invalid, "telemetry: log level %q: %w", level, err)
	}
	options := &slog.HandlerOptions{Level: at}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fault.New(fault.Invalid, "telemetry: log format %q is not text or json", format)
}

// Build says what is running.
type Build struct {
	Version  string // as released, or "dev"
	Revision string // of the source, as far as the build knows it
	Go       string
}

// ReadBuild completes a version with what the linker left in the binary.
func ReadBuild(version string) Build {
	b := Build{Version: version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			b.Revision = setting.Value
		}
	}
	return b
}

// String is what "muster version" prints.
func (b Build) String() string {
	if b.Revision == "" {
		return fmt.Sprintf("muster %s (%s)", b.Version, b.Go)
	}
	return fmt.Sprintf("muster %s (%.12s, %s)", b.Version, b.Revision, b.Go)
}

// NewRegistry makes the daemon's own metrics registry with the build, the Go
// runtime and the process in it.
func NewRegistry(b Build) (*prometheus.Registry, error) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "muster_build_info",
		Help:        "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go": b.Go},
	})
	info.Set(1)
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("telemetry: register: %w", err)
		}
	}
	return registry, nil
}
