package rig

import (
	"os/exec"
	"runtime"
	"syscall"
)

// StartTied starts a command that the kernel sends the signal when this process
// ends, however it ends. The result tells once how the command ended, and is closed.
func StartTied(cmd *exec.Cmd, signal syscall.Signal) (<-chan error, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = signal
	started, exited := make(chan error), make(chan error, 1)
	go func() {
		// The kernel takes the end of the thread that started the command for the
		// death of its parent, so that thread waits here. It is given back alive:
		// other commands may have been started on it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			exited <- cmd.Wait()
		}
		close(exited)
	}()
	return exited, <-started
}
