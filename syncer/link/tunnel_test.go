package link_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/muster-sec/muster/syncer/link"
	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/tunnel"
)

// tunnelled is a cluster that serves HTTP over tunnels.
type tunnelled struct {
	*cluster
	listener *session.Handover
}

func (c tunnelled) Tunnel(_ context.Context, stream net.Conn) { c.listener.Give(stream) }

func TestHTTPThroughTheTunnel(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	listener := tunnel.NewListener()
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // HTTP/1 does not answer while it reads
		if err == nil {
			_, err = w.Write(body)
		}
		if err != nil {
			t.Error(err)
		}
	})}
	go func() { _ = web.Serve(listener) }()
	t.Cleanup(func() { _ = web.Close() })
	f.join(t, "edge-1", func(cfg *link.AgentConfig) {
		cfg.Host = tunnelled{cfg.Host.(*cluster), listener}
	})
	wait(t, "connection", func() bool { return len(f.hub.Status()) == 1 })
	dialer := tunnel.NewDialer(f.hub)
	transport := &http.Transport{DialContext: dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	body := make([]byte, 2<<20)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://edge-1/", bytes.NewReader(body))
	check(t, err)
	answer, err := client.Do(request)
	check(t, err)
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if n != int64(len(body)) || err != nil {
		t.Errorf("%d bytes came back, %v", n, err)
	}
	f.write(t, record("rule", 1, "x")) // the feed goes on beside it
	if _, err := dialer.Dial(t.Context(), "nobody"); !errors.Is(err, link.ErrNotConnected) {
		t.Errorf("dialling nobody: %v", err)
	}
}
