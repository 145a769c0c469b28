package direct

import (
	"context"
	_ "embed" // the schema
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Name is the plugin's name.
const Name = "direct"

// Schema is the JSON Schema of the configuration.
//
//go:embed schema.json
var Schema string

const (
	dialTimeout = 30 * time.Second
	keepAlive   = 30 * time.Second
)

// Transport is the plugin. It holds no state; the zero value is ready, for
// concurrent use.
type Transport struct{}

var _ sdk.StreamTransport = Transport{}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindTransport, ConfigSchema: Schema, Streams: Transport{}}
}

// Listen listens on a TCP address, "[HOST]:PORT".
func (Transport) Listen(ctx context.Context, cfg sdk.Config, address string) (net.Listener, error) {
	if _, err := readConfig(cfg); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{KeepAlive: keepAlive}
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	return l, nil
}

// Dial connects to a TCP address, "HOST:PORT", through the proxy if one is
// configured; the proxy then resolves the host.
func (Transport) Dial(ctx context.Context, cfg sdk.Config, address string) (net.Conn, error) {
	proxy, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(address); err != nil || strings.ContainsFunc(address, unicode.IsSpace) {
		return nil, fmt.Errorf("%w: address %.200q: write HOST:PORT", sdk.ErrInvalid, address)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if proxy != nil {
		return dialThrough(ctx, proxy, address)
	}
	return dialTCP(ctx, address)
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: keepAlive}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
	return conn, nil
}

// readConfig returns the proxy, or nil.
func readConfig(cfg sdk.Config) (*url.URL, error) {
	var c struct {
		Proxy string `json:"proxy"`
	}
	if err := cfg.Decode(&c); err != nil {
		return nil, err
	}
	if c.Proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Proxy)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		// Without the text, which may hold a password.
		return nil, fmt.Errorf("%w: proxy: write http[s]://[USER:PASSWORD@]HOST:PORT", sdk.ErrInvalid)
	}
	return u, nil
}
