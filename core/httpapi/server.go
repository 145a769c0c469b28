package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Time and size limits of every server. A handler that streams more moves its
// own deadlines with http.ResponseController.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 90 * time.Second
	keepAlive     = 2 * time.Minute
	headerLimit   = 64 << 10
	drainTimeout  = 20 * time.Second
)

// Options set up a server.
type Options struct {
	Name    string // in logs and metrics: "api", "admission", "ops"
	Handler http.Handler
	TLS     *tls.Config // nil serves plain HTTP
	Log     *slog.Logger
	Metrics *Metrics // none when nil
}

// Server serves one port.
type Server struct {
	name   string
	server *http.Server
	secure bool
	log    *slog.Logger
}

// NewServer makes a server with the middleware around its handler.
func NewServer(o Options) (*Server, error) {
	if o.Name == "" || o.Handler == nil || o.Log == nil {
		return nil, errors.New("httpapi: a server needs a name, a handler and a log")
	}
	return &Server{
		name: o.Name, secure: o.TLS != nil, log: o.Log,
		server: &http.Server{
			Handler:           wrap(o),
			TLSConfig:         o.TLS,
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       keepAlive,
			MaxHeaderBytes:    headerLimit,
			ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug), // handshakes that strangers fail
		},
	}, nil
}

// Serve answers on the listener until ctx ends, then lets requests under way
// finish for a while. It closes the listener. Call it once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	served := make(chan error, 1)
	go func() {
		if s.secure {
			served <- s.server.ServeTLS(ln, "", "")
			return
		}
		served <- s.server.Serve(ln)
	}()
	s.log.Info("listening", "server", s.name, "address", ln.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("httpapi: serve %s: %w", s.name, err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := s.server.Shutdown(drain); err != nil {
		s.log.Warn("requests cut off", "server", s.name, "error", err)
		if err := s.server.Close(); err != nil {
			return fmt.Errorf("httpapi: close %s: %w", s.name, err)
		}
	}
	<-served
	return nil
}
