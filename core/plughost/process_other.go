//go:build !linux

package plughost

import (
	"os"
	"syscall"
)

// Elsewhere than on Linux the daemon is for trying things out: plugins run, but
// the kernel neither limits them nor kills them with the host (the SDK's watch
// over the parent does that within a second).

func processAttributes() *syscall.SysProcAttr { return nil }

func limitProcess(int, Limits) error { return nil }

func onProcessors(_, _ int, f func() error) error { return f() }

func awaitExit(int) bool { return false }

func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

func killStrays(string) {}

func strays(string) []int { return nil }
