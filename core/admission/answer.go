package admission

import (
	"net/http"
	"strconv"
	"strings"
)

// The API server cuts warnings beyond 4096 bytes in all and advises 120 for
// each; a message is shown whole by kubectl.
const (
	maxWarnings     = 12
	maxWarningBytes = 256
	maxMessageBytes = 4096
)

type reviewOut struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Response   responseOut `json:"response"`
}

type responseOut struct {
	UID              string            `json:"uid"`
	Allowed          bool              `json:"allowed"`
	Status           *statusOut        `json:"status,omitempty"`
	Warnings         []string          `json:"warnings,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
}

type statusOut struct {
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Code    int    `json:"code"`
}

// Answer is the admission.k8s.io/v1 AdmissionReview that answers a request, to
// be encoded as JSON.
func Answer(req Request, d Decision) any {
	out := reviewOut{APIVersion: reviewVersion, Kind: reviewKind, Response: responseOut{UID: req.UID, Allowed: d.Allowed}}
	if !d.Allowed {
		out.Response.Status = &statusOut{Status: "Failure", Reason: "Forbidden", Message: cut(d.Message, maxMessageBytes), Code: http.StatusForbidden}
	}
	for _, w := range d.Warnings[:min(len(d.Warnings), maxWarnings)] {
		out.Response.Warnings = append(out.Response.Warnings, cut(w, maxWarningBytes))
	}
	if d.Rule != nil {
		out.Response.AuditAnnotations = map[string]string{"rule": strconv.FormatUint(uint64(d.Rule.Rule.ID), 10)}
	}
	return out
}

// cut shortens text to n bytes without splitting a character.
func cut(s string, n int) string {
	const more = "…"
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len(more)], "") + more
}
