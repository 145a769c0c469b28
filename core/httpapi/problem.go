package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/identity"
)

// Code is the number of a failure in the body of an answer; the numbers are
// those of the compatible API.
type Code int

// The codes in use.
const (
	CodeURLNotFound      Code = 1
	CodeMethodNotAllowed Code = 2
	CodeUnauthorized     Code = 3
	CodeOpNotAllowed     Code = 4
	CodeInvalidRequest   Code = 6
	CodeObjectNotFound   Code = 7
	CodeWeakPassword     Code = 14
	CodeAccessDenied     Code = 25
	CodeRequestFailed    Code = 38
	CodeLoginBlocked     Code = 47
	CodeServerError      Code = 55
)

// Text is the code's fixed text, the "error" of the body.
func (c Code) Text() string {
	texts := map[Code]string{
		CodeURLNotFound:      "URL not found",
		CodeMethodNotAllowed: "Method not allowed",
		CodeUnauthorized:     "Authentication failed",
		CodeOpNotAllowed:     "Operation not allowed",
		CodeInvalidRequest:   "Request in wrong format",
		CodeObjectNotFound:   "Object not found",
		CodeWeakPassword:     "Password is weak",
		CodeAccessDenied:     "Object access denied",
		CodeRequestFailed:    "Request to another service failed",
		CodeLoginBlocked:     "User login blocked",
		CodeServerError:      "Server error",
	}
	if text, ok := texts[c]; ok {
		return text
	}
	return "Unknown error"
}

// Failures of HTTP itself, which no service knows.
var (
	errContentType = errors.New("content type is not supported")
	errNoRoute     = errors.New("no such URL")
	errMethod      = errors.New("method is not supported here")
)

// classify is the one place where an error becomes a status and a code.
func classify(err error) (status int, code Code) {
	switch {
	case errors.Is(err, errNoRoute):
		return http.StatusNotFound, CodeURLNotFound
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed, CodeMethodNotAllowed
	case errors.Is(err, errContentType):
		return http.StatusUnsupportedMediaType, CodeInvalidRequest
	case errors.Is(err, identity.ErrBlocked):
		return http.StatusForbidden, CodeLoginBlocked
	case errors.Is(err, identity.ErrWeakPassword):
		return http.StatusBadRequest, CodeWeakPassword
	case errors.Is(err, context.DeadlineExceeded) && fault.KindOf(err) == fault.Internal:
		return http.StatusServiceUnavailable, CodeRequestFailed
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, CodeInvalidRequest
	}
	return classifyKind(fault.KindOf(err))
}

func classifyKind(kind fault.Kind) (status int, code Code) {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest, CodeInvalidRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized, CodeUnauthorized
	case fault.Denied:
		return http.StatusForbidden, CodeAccessDenied
	case fault.NotFound:
		return http.StatusNotFound, CodeObjectNotFound
	case fault.Conflict:
		return http.StatusConflict, CodeOpNotAllowed
	case fault.Gone:
		return http.StatusGone, CodeObjectNotFound
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge, CodeInvalidRequest
	case fault.Unsupported:
		return http.StatusUnprocessableEntity, CodeInvalidRequest
	case fault.Unavailable:
		return http.StatusServiceUnavailable, CodeRequestFailed
	case fault.NotReady:
		return http.StatusTooEarly, CodeObjectNotFound
	default:
		return http.StatusInternalServerError, CodeServerError
	}
}

// WriteError answers with what went wrong. A fault of ours is logged here, once,
// and shown to the client only by the id of the request.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody reads it
	}
	status, code := classify(err)
	body := api.Error{Code: int(code), Error: code.Text(), Message: err.Error(), Hint: fault.HintOf(err)}
	if status == http.StatusInternalServerError {
		info := requestOf(r.Context())
		info.log.Error("request failed", "request_id", info.id, "route", r.Pattern, "error", err)
		body.Message = "internal error in request " + info.id
		body.Hint = "the daemon's log says more under this request id"
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	WriteJSON(w, status, body)
}

// WriteJSON answers with v.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone; the log of the request says so
}

// NotFound answers a URL that nothing serves.
func NotFound(w http.ResponseWriter, r *http.Request) {
	WriteError(w, r, fault.New(fault.NotFound, "%s %s: %w", r.Method, r.URL.Path, errNoRoute))
}

// MethodNotAllowed answers a URL that knows only other methods.
func MethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	WriteError(w, r, fault.New(fault.Invalid, "%s %s: %w", r.Method, r.URL.Path, errMethod))
}
