package direct

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/muster-sec/muster/plugins/sdk"
)

// maxReply is how many bytes a proxy's reply to CONNECT may have.
const maxReply = 16 << 10

// dialThrough asks a proxy for a tunnel (RFC 9110, 9.3.6).
func dialThrough(ctx context.Context, proxy *url.URL, address string) (net.Conn, error) {
	conn, err := dialProxy(ctx, proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", proxy.Host, err)
	}
	// The end of ctx ends a proxy's silence; it is disarmed once the tunnel stands.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	tunnel, err := connect(conn, proxy.User, address)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy %s: CONNECT %s: %w", proxy.Host, address, err)
	}
	return tunnel, nil
}

func dialProxy(ctx context.Context, proxy *url.URL) (net.Conn, error) {
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	}
	conn, err := dialTCP(ctx, net.JoinHostPort(proxy.Hostname(), port))
	if err != nil || proxy.Scheme == "http" {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: proxy.Hostname(), MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	return secure, nil
}

// connect asks for the tunnel and reads the reply.
func connect(conn net.Conn, user *url.Userinfo, address string) (net.Conn, error) {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: muster\r\n"
	if user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	limited := &io.LimitedReader{R: conn, N: maxReply}
	reply := bufio.NewReader(limited)
	resp, err := http.ReadResponse(reply, &http.Request{Method: http.MethodConnect})
	switch {
	case err != nil && limited.N <= 0:
		return nil, fmt.Errorf("%w: the reply has more than %d bytes", sdk.ErrLimit, maxReply)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: the proxy closed the connection", sdk.ErrUnavailable)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	if err := refusal(resp); err != nil {
		return nil, err
	}
	if reply.Buffered() == 0 {
		return conn, nil
	}
	return &tunnel{Conn: conn, early: reply}, nil
}

// refusal gives a reply other than success its kind.
func refusal(resp *http.Response) error {
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: %s; put USER:PASSWORD@ into the proxy's address", sdk.ErrUnauthorized, resp.Status)
	case resp.StatusCode == http.StatusForbidden, resp.StatusCode == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: %s; the proxy must allow CONNECT to this host and port", sdk.ErrDenied, resp.Status)
	default:
		return fmt.Errorf("%w: %s", sdk.ErrUnavailable, resp.Status)
	}
}

// tunnel is a connection whose first bytes came along with the proxy's reply.
type tunnel struct {
	net.Conn
	early *bufio.Reader
}

// Read reads those first.
func (t *tunnel) Read(p []byte) (int, error) {
	if t.early.Buffered() > 0 {
		return t.early.Read(p[:min(len(p), t.early.Buffered())])
	}
	return t.Conn.Read(p)
}

// CloseWrite ends our direction, where the connection can do that.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return sdk.ErrUnsupported
}
