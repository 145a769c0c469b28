// Package webhook answers the API server of Kubernetes: admission reviews come
// in on a port of their own, under a path that only the cluster's webhook
// configuration knows. The native API judges reviews through the same code.
package webhook

import (
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/httpapi"
)

// Reviewer judges a review.
type Reviewer interface {
	Review(ctx context.Context, req admission.Request) (admission.Decision, error)
}

// How long a review may take, unless the API server says that it waits less.
const (
	longestReview = 10 * time.Second
	margin        = 100 * time.Millisecond // for the answer to arrive in time
)

// Handler serves POST /v1/validate/SECRET. Everything else, a wrong secret
// included, is answered as a URL that does not exist.
func Handler(secret string, by Reviewer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/validate/{secret}", func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.PathValue("secret")), []byte(secret)) != 1 {
			unknown(w, r)
			return
		}
		answer, _, err := Judge(w, r, by)
		if err != nil {
			httpapi.WriteError(w, r, err)
			return
		}
		httpapi.WriteJSON(w, http.StatusOK, answer)
	})
	mux.HandleFunc("/", unknown)
	return mux
}

// unknown does not repeat the path: a mistyped secret is nearly the secret.
func unknown(w http.ResponseWriter, r *http.Request) {
	r.URL.Path = "/…"
	httpapi.NotFound(w, r)
}

// Judge reads the AdmissionReview in a request's body, judges it, and gives the
// AdmissionReview to answer with beside the decision. Its errors are answers
// too: 415, 413 and 400 for a body that cannot be judged, 5xx for a decision
// that could not be made.
func Judge(w http.ResponseWriter, r *http.Request, by Reviewer) (answer any, d admission.Decision, err error) {
	if err := httpapi.CheckContentType(r, "application/json"); err != nil {
		return nil, d, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, admission.MaxReview))
	if err != nil {
		return nil, d, httpapi.BodyError(err)
	}
	req, err := admission.ParseReview(body)
	if err != nil {
		return nil, d, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience(r))
	defer cancel()
	if d, err = by.Review(ctx, req); err != nil {
		return nil, d, fmt.Errorf("webhook: judge %s %s/%s: %w", req.Kind, req.Namespace, req.Name, err)
	}
	return admission.Answer(req, d), d, nil
}

// patience is how long the API server waits: it says so in ?timeout=.
func patience(r *http.Request) time.Duration {
	given, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || given <= 2*margin {
		return longestReview
	}
	return min(given-margin, longestReview)
}
