package daemon

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/federation"
	"github.com/muster-sec/muster/core/model"
)

// summarizer adds to what the store holds how much admission has decided.
type summarizer struct {
	federation.Summarizer
	admission *admission.Service
}

// ClusterSummary implements federation.Summarizer.
func (s summarizer) ClusterSummary(ctx context.Context) (model.ClusterSummary, error) {
	sum, err := s.Summarizer.ClusterSummary(ctx)
	sum.DecisionsDay = int(s.admission.Stats().Day)
	return sum, err
}

// trials judges what people ask about, which is no decision: nothing is counted.
type trials struct{ *admission.Service }

// Review implements webhook.Reviewer.
func (t trials) Review(ctx context.Context, req admission.Request) (admission.Decision, error) {
	req.DryRun = true
	return t.Service.Review(ctx, req)
}

// decisionCounter shows the decisions of admission as a metric.
type decisionCounter struct {
	admission *admission.Service
	total     *prometheus.Desc
}

func newDecisionCounter(a *admission.Service) decisionCounter {
	return decisionCounter{a, prometheus.NewDesc("muster_admission_decisions_total",
		"Admission decisions since the start; violated ones were allowed although a rule in monitor mode refuses them, failed ones could not be made.",
		[]string{"outcome"}, nil)}
}

// Describe implements prometheus.Collector.
func (c decisionCounter) Describe(out chan<- *prometheus.Desc) { out <- c.total }

// Collect implements prometheus.Collector.
func (c decisionCounter) Collect(out chan<- prometheus.Metric) {
	stats := c.admission.Stats()
	for outcome, n := range map[string]uint64{
		"allowed": stats.Allowed - stats.Violated, "violated": stats.Violated, "denied": stats.Denied, "failed": stats.Failed,
	} {
		out <- prometheus.MustNewConstMetric(c.total, prometheus.CounterValue, float64(n), outcome)
	}
}
