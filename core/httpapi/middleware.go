package httpapi

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// request is what the middleware knows of a request; it is filled in on the
// way down and read on the way up.
type request struct {
	id    string
	actor model.Actor
	log   *slog.Logger
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{log: slog.New(slog.DiscardHandler)}
}

// RequestID names the request in answers and logs.
func RequestID(ctx context.Context) string { return requestOf(ctx).id }

// wrap puts the middleware around a handler: request id, log and metrics,
// headers, and an answer for a panic.
func wrap(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		info := &request{id: rand.Text(), log: o.Log}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, info))
		seen := &recorder{ResponseWriter: w}
		secureHeaders(seen.Header(), info.id)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				info.log.Error("handler panicked", "request_id", info.id, "panic", p, "stack", string(debug.Stack()))
				if seen.status == 0 {
					WriteError(seen, r, fault.New(fault.Internal, "httpapi: a handler panicked"))
				}
			}
			o.finish(r, seen, time.Since(start))
		}()
		o.Handler.ServeHTTP(seen, r)
	})
}

// finish logs and counts a request by its route. The path itself is not
// logged: parts of it can be secrets.
func (o Options) finish(r *http.Request, seen *recorder, took time.Duration) {
	route := r.Pattern
	if route == "" {
		route = "unmatched"
	}
	status := max(seen.status, http.StatusOK)
	if seen.status == 0 && r.Context().Err() != nil {
		status = statusClientGone
	}
	o.Metrics.count(o.Name, route, status, took)
	level := slog.LevelInfo
	if r.Method == http.MethodGet && status < http.StatusBadRequest {
		level = slog.LevelDebug
	}
	info := requestOf(r.Context())
	o.Log.Log(r.Context(), level, "request", "server", o.Name, "request_id", info.id, "method", r.Method, "route", route,
		"status", status, "bytes", seen.bytes, "duration", took, "source", Source(r), "actor", info.actor.Name)
}

// statusClientGone marks, in logs and metrics, a client that did not wait.
const statusClientGone = 499

func secureHeaders(h http.Header, id string) {
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // the console sets its own
	h.Set("Cache-Control", "no-store")
}

// Source is the address a request comes from, without the port. Headers that
// a client could forge are not believed.
func Source(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// recorder sees the status and size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader notes the first status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
