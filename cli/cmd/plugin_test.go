package cmd_test

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/muster-sec/muster/cli/cmd"
)

// TestMain makes this test binary muster itself when it is started with words
// instead of flags: a plugin that scripts can try ("plugin serve KIND NAME"),
// or a daemon in a process of its own.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	code := cmd.System("1.2.3-test").Main(ctx, os.Args)
	stop()
	os.Exit(code)
}
