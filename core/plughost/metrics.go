package plughost

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-sec/muster/plugins/sdk"
)

// metrics count over the whole life of a host: a plugin that is declared anew
// goes on where it was.
type metrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	restarts *prometheus.CounterVec
	state    *prometheus.Desc
	inFlight *prometheus.Desc
}

func newMetrics() *metrics {
	plugin := []string{"kind", "plugin"}
	return &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_plugin_calls_total",
			Help: "Calls on a plugin that have ended, by method and gRPC status code.",
		}, []string{"kind", "plugin", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "muster_plugin_call_duration_seconds",
			Help:    "How long calls on a plugin took, streams to their end.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10), // 1 ms to 4 min
		}, plugin),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_plugin_restarts_total",
			Help: "Launches of a plugin after its first.",
		}, plugin),
		state: prometheus.NewDesc("muster_plugin_state",
			"1 for the state that a plugin is in, 0 for the others.", []string{"kind", "plugin", "state"}, nil),
		inFlight: prometheus.NewDesc("muster_plugin_calls_in_flight",
			"Calls on a plugin that have not ended.", plugin, nil),
	}
}

// observer returns what counts the calls of one plugin, which from now on
// shows up in all metrics.
func (m *metrics) observer(kind sdk.Kind, name string) func(method, code string, took time.Duration) {
	m.restarts.WithLabelValues(string(kind), name)
	m.duration.WithLabelValues(string(kind), name)
	return func(method, code string, took time.Duration) {
		m.calls.WithLabelValues(string(kind), name, method, code).Inc()
		m.duration.WithLabelValues(string(kind), name).Observe(took.Seconds())
	}
}

func (m *metrics) restarted(kind sdk.Kind, name string) {
	m.restarts.WithLabelValues(string(kind), name).Inc()
}

// Collector returns the metrics of all plugins: state, restarts, calls, calls
// in flight, duration. It is safe for concurrent use.
func (h *Host) Collector() prometheus.Collector { return collector{h} }

type collector struct{ host *Host }

// Describe names the metrics.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	m := c.host.metrics
	m.calls.Describe(to)
	m.duration.Describe(to)
	m.restarts.Describe(to)
	to <- m.state
	to <- m.inFlight
}

// Collect takes their values.
func (c collector) Collect(to chan<- prometheus.Metric) {
	m := c.host.metrics
	m.calls.Collect(to)
	m.duration.Collect(to)
	m.restarts.Collect(to)
	for _, s := range c.host.Plugins() {
		for _, state := range States() {
			in := 0.0
			if s.State == state {
				in = 1
			}
			to <- prometheus.MustNewConstMetric(m.state, prometheus.GaugeValue, in, string(s.Kind), s.Name, string(state))
		}
		to <- prometheus.MustNewConstMetric(m.inFlight, prometheus.GaugeValue, float64(s.InFlight), string(s.Kind), s.Name)
	}
}
