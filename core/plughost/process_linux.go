package plughost

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// runtimeRoom is what Go's runtime may map beyond the memory limit: arenas
// come in pieces of 64 MiB, and threads have stacks.
const runtimeRoom = 256 << 20

// processAttributes makes a process lead a session, and with it a group, of its
// own, and die with the thread that starts it. In its own session it can
// neither join the host's group nor reach a terminal.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
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

// onProcessors runs f with the calling thread, and therefore what it starts,
// confined to n of the processors that this process may use. turn chooses
// which, so that plugins spread over them. The thread belongs to the caller.
func onProcessors(n, turn int, f func() error) error {
	var all, some unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() <= n {
		return f() // nothing to take away
	}
	var usable []int
	for cpu := 0; len(usable) < all.Count(); cpu++ {
		if all.IsSet(cpu) {
			usable = append(usable, cpu)
		}
	}
	for i := range n {
		some.Set(usable[(turn*n+i)%len(usable)])
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		return fmt.Errorf("limiting processors: %w", err)
	}
	return errors.Join(f(), unix.SchedSetaffinity(0, &all))
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
