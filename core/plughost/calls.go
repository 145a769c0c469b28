package plughost

import (
	"context"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/muster-sec/muster/plugins/sdk"
)

// calls counts the calls of consumers on one plugin, across its processes. It
// hears of them from gRPC, which alone knows when a stream has ended.
type calls struct {
	observe func(method, outcome string, took time.Duration)

	total    atomic.Uint64
	inFlight atomic.Int64
}

var _ stats.Handler = (*calls)(nil)

// counted marks the context of a call that counts; its value is the method.
type counted struct{}

// TagRPC marks calls that a drain waits for: not the library's own, not
// health, and not those that carry byte streams.
func (c *calls) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	name := info.FullMethodName
	if !strings.HasPrefix(name, "/muster.plugin.") || strings.HasPrefix(name, "/muster.plugin.base.") || sdk.LongLived(name) {
		return ctx
	}
	return context.WithValue(ctx, counted{}, path.Base(name))
}

// HandleRPC counts the begin and the end of marked calls.
func (c *calls) HandleRPC(ctx context.Context, s stats.RPCStats) {
	method, ok := ctx.Value(counted{}).(string)
	if !ok {
		return
	}
	switch s := s.(type) {
	case *stats.Begin:
		c.total.Add(1)
		c.inFlight.Add(1)
	case *stats.End:
		c.observe(method, status.Code(ended(ctx.Err(), s.Error)).String(), s.EndTime.Sub(s.BeginTime)) // as the caller sees it
		c.inFlight.Add(-1)
	}
}

// TagConn leaves connections alone.
func (c *calls) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn leaves connections alone.
func (c *calls) HandleConn(context.Context, stats.ConnStats) {}
