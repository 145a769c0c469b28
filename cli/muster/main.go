// Command muster is the whole product in one binary: the daemon, its command
// line, the scanner for a desk, and the built-in plugins.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules name zones, and a small container image has none

	"github.com/muster-sec/muster/cli/cmd"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := cmd.System(version).Main(ctx, os.Args)
	stop()
	os.Exit(code)
}
