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
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// socketDirVariable is where go-plugin tells a plugin its socket folder. The
// folder is made for one process, so the variable marks its descendants too.
const socketDirVariable = "PLUGIN_UNIX_SOCKET_DIR"

// pipeGrace is how long after its end a process's output is still read. Only a
// grandchild that left the process group can hold the pipes open that long.
const pipeGrace = 500 * time.Millisecond

const (
	// A file that was open for writing a moment ago cannot be executed until
	// every copy of that descriptor is closed, and a process that is being
	// started elsewhere has one for an instant.
	busyTries = 50
	busyWait  = 10 * time.Millisecond
)

// process is one plugin process: go-plugin's runner, with the difference that
// it starts from the launcher's thread, leads a process group that dies with
// it, and is reaped whether or not anybody still reads its output.
type process struct {
	launcher *launcher
	path     string   // what is executed
	args     []string // as the process sees them, its name first
	env      []string
	image    *os.File // the process's descriptor 3; may be nil
	limits   Limits
	dir      string // of its socket

	cmd *exec.Cmd // after Start

	stdout, stderr *os.File
	exited         chan struct{} // closed when it is gone
	err            error         // how it ended; after exited
	left           int           // processes of its own that it left behind; after exited

	mu     sync.Mutex
	reaped bool
	forced bool // it was killed
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
	err = p.execute(outW, errW)
	outW.Close()
	errW.Close()
	if err != nil {
		outR.Close()
		errR.Close()
		return fmt.Errorf("executing %s: %w", p.args[0], err)
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

// execute starts the program, again as long as its image is busy.
func (p *process) execute(stdout, stderr *os.File) (err error) {
	for range busyTries {
		p.cmd = &exec.Cmd{
			Path: p.path, Args: p.args, Env: p.env, Stdout: stdout, Stderr: stderr, // no input
			SysProcAttr: processAttributes(),
		}
		if p.image != nil {
			p.cmd.ExtraFiles = []*os.File{p.image}
		}
		if err = p.launcher.start(p.limits.CPU, p.cmd.Start); !errors.Is(err, syscall.ETXTBSY) {
			return err
		}
		time.Sleep(busyWait)
	}
	return err
}

// reap waits for the end of the process and kills what it left behind. It runs
// in its own goroutine, which ends with the process.
func (p *process) reap() {
	if awaitExit(p.pid) {
		p.left = len(strays(p.dir))
		p.killGroup() // while the dead leader still holds the group's number
		p.gone()
	}
	p.err = p.cmd.Wait()
	p.gone()
	killStrays(p.dir)
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

// kill ends the process, and its group, at once. It does nothing after the end.
func (p *process) kill() {
	p.mu.Lock()
	p.forced = p.forced || !p.reaped
	p.mu.Unlock()
	p.killGroup()
}

// killed reports whether the process did not end by itself.
func (p *process) killed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forced
}

func (p *process) killGroup() {
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
func (p *process) Stdout() io.ReadCloser { return pacedReader{p.stdout, newPace(p.exited)} }

// Stderr is the pipe of the log.
func (p *process) Stderr() io.ReadCloser { return pacedReader{p.stderr, newPace(p.exited)} }

// Name is the executable as it was declared.
func (p *process) Name() string { return p.args[0] }

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
