package plughost

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// TestCallsCountWhatTheCallerSees: gRPC calls a call cancelled whose process was
// killed under it, and one that the caller gave up.
func TestCallsCountWhatTheCallerSees(t *testing.T) {
	t.Parallel()
	given, giveUp := context.WithCancel(t.Context())
	giveUp()
	for want, ctx := range map[string]context.Context{"Unavailable": t.Context(), "Canceled": given} {
		got := ""
		c := calls{observe: func(_, outcome string, _ time.Duration) { got = outcome }}
		ctx = c.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: "/muster.plugin.registry.v1.Registry/GetCredential"})
		c.HandleRPC(ctx, &stats.End{Error: status.Error(codes.Canceled, "the connection is closing")})
		if got != want {
			t.Errorf("counted as %q, want %q", got, want)
		}
	}
}
