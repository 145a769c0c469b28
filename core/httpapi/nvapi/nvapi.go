// Package nvapi is the compatible API /v1: what NeuVector's own clients and
// installers ask for, with its spelling. None of its quirks leaks below.
package nvapi

import (
	"net/http"

	"github.com/muster-sec/muster/core/httpapi"
)

type eula struct {
	EULA struct {
		Accepted bool `json:"accepted"`
	} `json:"eula"`
}

// Handler serves /v1 on the API port. GET /v1/eula, which needs no login, is
// how NeuVector's documentation probes whether a controller can be reached.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/eula", func(w http.ResponseWriter, _ *http.Request) {
		var body eula
		body.EULA.Accepted = true
		httpapi.WriteJSON(w, http.StatusOK, body)
	})
	mux.HandleFunc("/v1/eula", httpapi.MethodNotAllowed)
	mux.HandleFunc("/", httpapi.NotFound)
	return mux
}

// FedPortHandler answers everybody on the fed port who does not speak the
// federation's protocol: 404 with code 1, which the same documentation reads
// as "the fed port is alive".
func FedPortHandler() http.Handler { return http.HandlerFunc(httpapi.NotFound) }
