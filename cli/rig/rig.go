// Package rig runs the muster binary as a user would: daemons with data
// directories of their own on loopback, and commands against them. The demo and
// the end-to-end tests are built on it; the product does not link it.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Rig is a folder with everything that one set of daemons and commands leaves behind.
type Rig struct {
	Bin string // the muster binary
	Dir string // exists
	// Password of the first administrator of every daemon.
	Password string
}

// Cluster is one daemon and how to reach it.
type Cluster struct {
	Name                            string
	DataDir                         string
	Log                             string // file with what the daemon printed
	API, Fed, Admission, Operations string // host:port

	rig  *Rig
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; read after done
}

// URL is the address of the cluster's API.
func (c *Cluster) URL() string { return "https://" + c.API }

// PID of the running daemon.
func (c *Cluster) PID() int { return c.cmd.Process.Pid }

// Start runs a daemon with ports of its own and waits until it is ready. args
// are added to those of muster serve.
func (r *Rig) Start(ctx context.Context, name string, args ...string) (*Cluster, error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Name: name, rig: r,
		DataDir: filepath.Join(r.Dir, name), Log: filepath.Join(r.Dir, name+".log"),
		API: ports[0], Fed: ports[1], Admission: ports[2], Operations: ports[3],
	}
	c.args = append([]string{
		"serve", "--cluster-name", name, "--data-dir", c.DataDir,
		"--listen", c.API, "--fed-listen", c.Fed, "--admission-listen", c.Admission, "--ops-listen", c.Operations,
		"--admin-password-file", r.passwordFile(), "--vulndb-update", "never", // nothing leaves this machine
	}, args...)
	if err := os.WriteFile(r.passwordFile(), []byte(r.Password+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	return c, c.Restart(ctx)
}

// Restart starts the daemon again, with the same arguments, after it has ended.
func (c *Cluster) Restart(ctx context.Context) error {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("rig: %w", err)
	}
	defer log.Close() // the child has its own descriptor
	c.cmd = exec.Command(c.rig.Bin, c.args...)
	c.cmd.Env = c.rig.environment()
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	exited, err := StartTied(c.cmd, syscall.SIGTERM) // it must not outlive a killed demo or test
	if err != nil {
		return fmt.Errorf("rig: start %s: %w", c.Name, err)
	}
	done := make(chan struct{})
	c.done = done
	go func() {
		c.err = <-exited
		close(done)
	}()
	return c.waitReady(ctx)
}

func (c *Cluster) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Operations+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("rig: %w", err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-c.done:
			return fmt.Errorf("rig: %s ended before it was ready (%v): %s", c.Name, c.err, c.tail())
		case <-ctx.Done():
			return fmt.Errorf("rig: %s is not ready after a minute: %s", c.Name, c.tail())
		}
	}
}

func (c *Cluster) tail() string {
	body, err := os.ReadFile(c.Log)
	if err != nil {
		return err.Error()
	}
	return string(body[max(0, len(body)-2000):])
}

// Stop asks the daemon to end and waits.
func (c *Cluster) Stop() error { return c.end(syscall.SIGTERM) }

// Kill ends the daemon without warning (SIGKILL) and waits.
func (c *Cluster) Kill() error {
	err := c.end(syscall.SIGKILL)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil // killed, as asked
	}
	return err
}

func (c *Cluster) end(sig syscall.Signal) error {
	if c.cmd == nil || c.cmd.Process == nil {
		return nil
	}
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("rig: signal %s: %w", c.Name, err)
	}
	<-c.done
	return c.err
}

// Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs one muster command; stdin may be nil. An error means that the
// command could not be run at all: a refusal is in Result.
func (r *Rig) Run(ctx context.Context, stdin io.Reader, args ...string) (Result, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, r.Bin, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = r.environment(), stdin, &out, &errs
	err := cmd.Run()
	res := Result{Stdout: out.String(), Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return res, fmt.Errorf("rig: muster %s: %w", strings.Join(args, " "), err)
	}
	return res, nil
}

// Login logs the administrator in to a cluster, so that commands with
// --server reach it.
func (c *Cluster) Login(ctx context.Context) error {
	res, err := c.rig.Run(ctx, nil, "login", "--server", c.URL(), "--username", "admin",
		"--password-file", c.rig.passwordFile(), "--trust-on-first-use")
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return fmt.Errorf("rig: login to %s: exit %d: %s", c.Name, res.Code, res.Stderr)
	}
	return nil
}

// ConfigHome is the folder in which commands keep their contexts.
func (r *Rig) ConfigHome() string { return filepath.Join(r.Dir, "config") }

func (r *Rig) passwordFile() string { return filepath.Join(r.Dir, "password") }

func (r *Rig) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.Dir, "XDG_CONFIG_HOME=" + r.ConfigHome(), "TMPDIR=" + os.TempDir()}
}

// freePorts finds loopback ports that nobody listens on now.
func freePorts(n int) ([]string, error) {
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("rig: find a free port: %w", err)
		}
		defer l.Close() // all at once, so that they differ
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
