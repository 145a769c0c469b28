package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is one condition of readiness. Ready returns why not, within the
// context's deadline; it may be called concurrently.
type Check struct {
	Name  string
	Ready func(context.Context) error
}

// checkTimeout bounds all checks of one request together, well below the
// second or more that a kubelet waits.
const checkTimeout = 800 * time.Millisecond

// OpsHandler serves the operations port: /healthz says that the process
// answers, /readyz names each check and fails with 503 when one does,
// /metrics is the registry in Prometheus's format.
func OpsHandler(metrics prometheus.Gatherer, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		status, body := readiness(ctx, checks)
		answer(w, status, body)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}

func readiness(ctx context.Context, checks []Check) (int, string) {
	status, lines := http.StatusOK, strings.Builder{}
	for _, c := range checks {
		if err := c.Ready(ctx); err != nil {
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&lines, "%s: %s\n", c.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		fmt.Fprintf(&lines, "%s: ok\n", c.Name)
	}
	return status, lines.String()
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}
