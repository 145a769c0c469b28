package plughost

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// selfPath is this program, even if its file was replaced meanwhile.
	selfPath = "/proc/self/exe"
	// imagePath is the first of a child's extra files.
	imagePath = "/proc/self/fd/3"
	// runtimeRoom is what Go's runtime may map beyond the memory limit: arenas
	// come in pieces of 64 MiB, and threads have stacks.
	runtimeRoom = 256 << 20
)

// processAttributes makes a process lead its own group, and die with the
// thread that starts it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limitProcess sets the kernel's limits. Memory is limited as RLIMIT_DATA, the
// private memory that can be written, and not as RLIMIT_AS: Go reserves more
// than a gigabyte of addresses that it never touches.
func limitProcess(pid int, l Limits) error {
	data := uint64(l.Memory) + runtimeRoom
	limits := []struct {
		name     string
		resource int
		value    uint64
	}{
		{"memory", unix.RLIMIT_DATA, data},
		{"open files", unix.RLIMIT_NOFILE, l.OpenFiles},
		{"core dumps", unix.RLIMIT_CORE, 0}, // they would hold credentials
	}
	for _, lim := range limits {
		r := unix.Rlimit{Cur: lim.value, Max: lim.value}
		if err := unix.Prlimit(pid, lim.resource, &r, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("%s to %d: %w", lim.name, lim.value, err)
		}
	}
	return nil
}

// awaitExit waits for a child's end without reaping it, and reports whether it
// could.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// killGroup ends a process and its descendants in its group.
func killGroup(pid int) {
	_ = unix.Kill(-pid, unix.SIGKILL) // the only error is that it is gone
}
