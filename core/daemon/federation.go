package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/transport/direct"
)

// directTransport is the transport plugin "direct" run in this process: it is
// nothing but a listener and a dialler.
type directTransport struct {
	direct.Transport
	config sdk.Config
}

func newDirectTransport(c config.Transport) (directTransport, error) {
	settings := map[string]string{}
	if c.Proxy != "" {
		settings["proxy"] = c.Proxy
	}
	body, err := json.Marshal(settings)
	if err != nil {
		return directTransport{}, fmt.Errorf("daemon: transport settings: %w", err)
	}
	return directTransport{config: body}, nil
}

// Listen listens on a TCP address.
func (t directTransport) Listen(ctx context.Context, address string) (net.Listener, error) {
	return t.Transport.Listen(ctx, t.config, address)
}

// Dial connects to a TCP address, through the proxy where there is one.
func (t directTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	return t.Transport.Dial(ctx, t.config, address)
}
