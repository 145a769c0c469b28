package plughost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// pipeGrace is how long after its end a process's output is still read. Only a
// grandchild that left the process group can hold the pipes open that long.
const pipeGrace = 500 * time.Millisecond

// process is one plugin process: go-plugin's runner, with the difference that
// it starts from the launcher's thread, leads a process group that dies with
// it, and is reaped whether or not anybody still reads its output.
type process struct {
	launcher *launcher
	cmd      *exec.Cmd
	image    *os.File // to execute; nil for cmd.Path
	limits   Limits
	dir      string // of its socket

	stdout, stderr *os.File
	exited         chan struct{} // closed when it is gone
	err            error         // how it ended; after exited

	mu     sync.Mutex
	reaped bool
	pid    int
}

var _ runner.Runner = (*process)(nil)

// Start launches the process.
func (p *process) Start(context.Context) error {
	outR, outW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("opening a pipe: %w", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("opening a pipe: %w", err), outR.Close(), outW.Close())
	}
	p.stdout, p.stderr = outR, errR
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = nil, outW, errW
	p.cmd.SysProcAttr = processAttributes()
	if p.image != nil {
		p.cmd.ExtraFiles = []*os.File{p.image}
	}
	err = p.launcher.do(p.cmd.Start)
	outW.Close()
	errW.Close()
	if err != nil {
		outR.Close()
		errR.Close()
		return fmt.Errorf("executing %s: %w", p.cmd.Args[0], err)
	}
	p.mu.Lock()
	p.pid = p.cmd.Process.Pid
	p.mu.Unlock()
	limitErr := limitProcess(p.pid, p.limits)
	go p.reap()
	if limitErr != nil {
		p.kill()
		return fmt.Errorf("limiting the process: %w", limitErr)
	}
	return nil
}

// reap waits for the end of the process and kills what it left behind. It runs
// in its own goroutine, which ends with the process.
func (p *process) reap() {
	if awaitExit(p.pid) {
		p.kill() // while the dead leader still holds the group's number
		p.gone()
	}
	p.err = p.cmd.Wait()
	p.gone()
	close(p.exited)
	time.AfterFunc(pipeGrace, func() {
		p.stdout.Close()
		p.stderr.Close()
	})
}

// gone notes that the number may belong to another process from now on.
func (p *process) gone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
}

// kill ends the process group at once. It does nothing after the end.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 && !p.reaped {
		killGroup(p.pid)
	}
}

// Wait waits for the end of the process and returns how it ended.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return p.err
}

// Kill ends the process group at once.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// Stdout is the pipe of the handshake.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr is the pipe of the log.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name is the executable as it was declared.
func (p *process) Name() string { return p.cmd.Args[0] }

// ID is the process id.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strconv.Itoa(p.pid)
}

// Diagnose says what usually is wrong with a plugin that does not answer.
func (p *process) Diagnose(context.Context) string {
	return "It did not complete the handshake on its standard output. Usually it is no plugin, is built for another machine, or ended early: see its log lines above."
}

// PluginToHost refuses addresses other than a socket in the plugin's own folder.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != p.dir {
		return "", "", fmt.Errorf("the plugin listens on %s %.100q, which is not in its folder", network, address)
	}
	return network, address, nil
}

// HostToPlugin is not used: plugins ask nothing of the host.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
