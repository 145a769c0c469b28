package direct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conn, err := sdktest.Connect(Plugin("test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	for name, cfg := range map[string]sdk.Config{
		"direct": nil,
		"proxy":  sdk.Config(`{"proxy":"http://` + startProxy(t, "", "") + `"}`),
	} {
		if report := sdktest.Check(t.Context(), conn, sdktest.Options{Config: cfg}); !report.OK() {
			t.Errorf("%s:\n%s", name, report)
		}
	}
}

// TestConn holds connections in process, and connections through the plugin's
// border, against the promises of net.Conn.
func TestConn(t *testing.T) {
	t.Parallel()
	served, err := sdktest.Connect(Plugin("test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { served.Close() })
	for name, transport := range map[string]sdk.StreamTransport{"in process": Transport{}, "as a plugin": sdk.NewStreamClient(served)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				l, err := transport.Listen(t.Context(), nil, "127.0.0.1:0")
				if err != nil {
					return nil, nil, nil, err
				}
				accepted := make(chan net.Conn, 1)
				go func() {
					c, _ := l.Accept()
					accepted <- c
				}()
				if c1, err = transport.Dial(t.Context(), nil, l.Addr().String()); err != nil {
					return nil, nil, nil, err
				}
				c2 = <-accepted
				return c1, c2, func() { c1.Close(); c2.Close(); l.Close() }, nil
			})
		})
	}
}

func TestProxyRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, proxy, address string
		want                 error
		text                 string
	}{
		{"wrong password", "http://user:wrong@" + startProxy(t, "user", "right"), "127.0.0.1:1", sdk.ErrUnauthorized, "USER:PASSWORD@"},
		{"no password", "http://" + startProxy(t, "user", "right"), "127.0.0.1:1", sdk.ErrUnauthorized, "407"},
		{"target down", "http://" + startProxy(t, "", ""), "127.0.0.1:1", sdk.ErrUnavailable, "502"},
		{"forbidden", "http://" + raw(t, "HTTP/1.1 403 Forbidden\r\n\r\n"), "h:1", sdk.ErrDenied, "must allow CONNECT"},
		{"no HTTP", "http://" + raw(t, "220 mail.example ESMTP\r\n"), "h:1", sdk.ErrUnavailable, "malformed HTTP"},
		{"silent close", "http://" + raw(t, ""), "h:1", sdk.ErrUnavailable, "closed the connection"},
		{"endless header", "http://" + raw(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 2*maxReply)), "h:1", sdk.ErrLimit, "16384"},
		{"proxy down", "http://127.0.0.1:1", "h:1", sdk.ErrUnavailable, "refused"},
		{"scheme", "socks5://127.0.0.1:1080", "h:1", sdk.ErrInvalid, "http[s]://"},
		{"path", "http://127.0.0.1:1080/x", "h:1", sdk.ErrInvalid, "http[s]://"},
		{"address", "http://127.0.0.1:1", "h", sdk.ErrInvalid, "HOST:PORT"},
		{"injection", "http://127.0.0.1:1", "h\r\nX-Evil: 1:1", sdk.ErrInvalid, "HOST:PORT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, err := Transport{}.Dial(t.Context(), sdk.Config(`{"proxy":"`+tt.proxy+`"}`), tt.address)
			if err == nil {
				conn.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Errorf("error %v, want one that is %q and says %q", err, tt.want, tt.text)
			}
			if strings.Contains(fmt.Sprint(err), "wrong@") || strings.Contains(fmt.Sprint(err), ":wrong") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// TestEarlyBytes: what a proxy sends along with its reply belongs to the tunnel.
func TestEarlyBytes(t *testing.T) {
	t.Parallel()
	proxy := raw(t, "HTTP/1.1 200 OK\r\n\r\nearly bytes")
	conn, err := Transport{}.Dial(t.Context(), sdk.Config(`{"proxy":"http://`+proxy+`"}`), "h:1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "early bytes" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestDialHeedsItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			cancel()
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	if _, err := (Transport{}).Dial(ctx, sdk.Config(`{"proxy":"http://`+l.Addr().String()+`"}`), "h:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled dial gives %v", err)
	}
}

// startProxy runs a CONNECT proxy and returns its address.
func startProxy(t *testing.T, user, password string) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		r := &http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
			return
		}
		target, err := net.Dial("tcp", req.Host)
		if err != nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
			return
		}
		defer target.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		up := make(chan struct{})
		go func() {
			defer close(up)
			_, _ = io.Copy(target, conn)
			_ = target.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(conn, target)
		_ = conn.(*net.TCPConn).CloseWrite()
		<-up
	})
}

// raw answers whatever comes with a fixed text and closes.
func raw(t *testing.T, text string) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, text)
	})
}

func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// FuzzConnect: whatever a proxy replies, the answer is a tunnel or an error, and
// a tunnel loses nothing.
func FuzzConnect(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nearly"))
	f.Add([]byte("HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("\x16\x03\x01"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			defer far.Close()
			if _, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				_, _ = far.Write(reply)
			}
		}()
		conn, err := connect(near, nil, "h:1")
		if err != nil {
			return
		}
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(reply), string(got)) {
			t.Errorf("through the tunnel come %q, %v", got, err)
		}
	})
}
