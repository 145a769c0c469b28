package plughost

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// strayRounds bounds the hunt for processes that start others faster than
	// they are killed.
	strayRounds = 20
	// maxEnviron is how much of a process's environment is searched.
	maxEnviron = 1 << 20
)

// killStrays ends every process below a socket folder: those of a plugin that
// left its process group and now belong to nobody, or those of a host that was
// killed. A process inherits its folder's name in its environment, so only one
// that took a clean environment as well escapes; that one ends with the
// container, or the service's control group.
func killStrays(dir string) {
	for range strayRounds {
		pids := strays(dir)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL) // the only error is that it is gone
		}
		for _, pid := range pids {
			reapStray(pid)
		}
	}
}

// reapStray frees the number of an orphan whose new parent we became, which
// the first process of a container does.
func reapStray(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// strays are the living processes whose socket folder is dir or lies in it.
func strays(dir string) []int {
	if dir == "" {
		return nil
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // what cannot be listed cannot be killed
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err == nil && pid != os.Getpid() && socketDirBelow(environ(name), dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// environ is empty for the dead and for other people's processes.
func environ(pid string) []byte {
	file, err := os.Open(filepath.Join("/proc", pid, "environ"))
	if err != nil {
		return nil
	}
	defer file.Close()
	env, _ := io.ReadAll(io.LimitReader(file, maxEnviron))
	return env
}

func socketDirBelow(environ []byte, dir string) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(socketDirVariable+"=")); ok {
			return string(value) == dir || inside(dir, string(value))
		}
	}
	return false
}
