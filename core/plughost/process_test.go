package plughost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

// awaitGone waits until a process has ended.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(20 * time.Second); ; {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("process %d lives on: %s", pid, stat)
		}
	}
}

func TestChildrenOfAPluginDieWithIt(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	child, err := h.puppet(t, `{"do":"child"}`)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(child)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.puppet(t, `{"do":"exit"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Fatalf("exit gives %v", err)
	}
	awaitGone(t, pid)
}

// TestStraysDieToo: a child that left session and group of its plugin.
func TestStraysDieToo(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	child, err := h.puppet(t, `{"do":"stray"}`)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(child)
	if err != nil {
		t.Fatal(err)
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Fatalf("the child did not leave: %d, %v", group, err)
	}
	if _, err := h.puppet(t, `{"do":"exit"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Fatalf("exit gives %v", err)
	}
	awaitGone(t, pid)
}

// TestStraysOfAKilledHost: the next host in the same place ends what the last
// one could not.
func TestStraysOfAKilledHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stray := exec.Command("/bin/sleep", "1000")
	stray.Env = []string{socketDirVariable + "=" + dir + "/plugin-dir1"}
	other := exec.Command("/bin/sleep", "1000")
	other.Env = []string{socketDirVariable + "=" + dir + "2/plugin-dir1"}
	for _, cmd := range []*exec.Cmd{stray, other} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	})
	if err := prepareRuntimeDir(dir); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, stray.Process.Pid)
	if err := syscall.Kill(other.Process.Pid, 0); err != nil {
		t.Errorf("somebody else's process is gone: %v", err)
	}
}

func TestProcessors(t *testing.T) {
	t.Parallel()
	if runtime.NumCPU() < 2 {
		t.Skip("SKIP: this machine has one processor")
	}
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CPU: 1}}}
	})
	status, err := h.puppet(t, `{"do":"processors"}`)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(status, "Cpus_allowed_list:")
	list, _, _ = strings.Cut(list, "\n")
	if n, err := strconv.Atoi(strings.TrimSpace(list)); err != nil || n < 0 {
		t.Errorf("it may run on processors %q", list)
	}
}

func TestKernelLimits(t *testing.T) {
	t.Parallel()
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{Memory: 768 << 20, OpenFiles: 77, CPU: 1}}}
	})
	limits, err := h.puppet(t, `{"do":"limits"}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Max open files 77 77", "Max core file size 0 0", "Max data size " + strconv.Itoa(1<<30),
	} {
		if !strings.Contains(strings.Join(strings.Fields(limits), " "), want) {
			t.Errorf("no %q in\n%s", want, limits)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{Memory: 256 << 20}}}
	})
	if _, err := h.puppet(t, `{"do":"eat"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("a plugin that eats 2 GiB gives %v", err)
	}
	h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady && s.Restarts == 1 })
}

// TestFrozenPluginDoesNotHoldUpTheEnd: the polite end has a deadline.
func TestFrozenPluginDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	h := startHost(t, func(o *Options) {
		o.HealthEvery, o.DrainTimeout, o.StopGrace = time.Hour, 100*time.Millisecond, 100*time.Millisecond
	})
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Fatal(err)
	}
	st := h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.PID != 0 })
	if err := syscall.Kill(st.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { awaitGone(t, st.PID) })
	h.stop(t)
	if _, err := h.puppet(t, `{}`); !errors.Is(err, ErrStopped) {
		t.Errorf("a call after the end gives %v", err)
	}
}

// TestNoOrphans kills a host without warning and expects its plugin to die, by
// the kernel's hand: the one without the SDK does not look for its parent.
// Until then the plugin has nothing to read, whatever the host's input is.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"puppet", "raw-registry"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			noOrphan(t, name)
		})
	}
}

func noOrphan(t *testing.T, name string) {
	t.Helper()
	path, _ := self(t)
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	host := exec.Command(path, "doomed-host", dir, name)
	in, err := host.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the host says %q", line)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the plugin does not run: %v", err)
	}
	if input, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/0"); err != nil || input != os.DevNull {
		t.Errorf("the plugin's standard input is %q, %v", input, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pid)
	_ = host.Wait()
}

// TestNothingLeaksPerLaunch launches and loses plugins in a process where
// nothing else goes on, and counts what is left.
func TestNothingLeaksPerLaunch(t *testing.T) {
	t.Parallel()
	path, _ := self(t)
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	out, err := exec.Command(path, "counting-host", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var before, after [2]int // goroutines, descriptors
	if _, err := fmt.Sscan(string(out), &before[0], &before[1], &after[0], &after[1]); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if after[0] > before[0]+1 || after[1] > before[1]+1 { // a leak shows several times
		t.Errorf("goroutines and descriptors: %v after the first, %v after the last", before, after)
	}
}

// countingHost prints the numbers of goroutines and descriptors after the
// first launches and after as many more.
func countingHost(dir string) {
	try := func(name string, cfg string) {
		d := Declaration{
			Name: "tried", Kind: sdk.KindRegistry, Path: "/proc/self/exe", Args: []string{"plugin", "serve", "registry", name},
		}
		if _, err := Try(context.Background(), d, sdktest.Options{Config: sdk.Config(cfg)}, Options{RuntimeDir: dir + "/p"}); err != nil {
			fmt.Println(err)
		}
	}
	for range 2 {
		for range 3 {
			try("puppet", `{"do":"exit"}`) // a crash
			try("no-handshake", `{}`)
		}
		var goroutines, descriptors int
		for range 100 { // what is ending ends within a second
			entries, _ := os.ReadDir("/proc/self/fd")
			g, d := runtime.NumGoroutine(), len(entries)
			if g == goroutines && d == descriptors {
				break
			}
			goroutines, descriptors = g, d
			<-time.After(pipeGrace + 100*time.Millisecond)
		}
		fmt.Println(goroutines, descriptors)
	}
}

// doomedHost runs a host, prints the pid of its plugin and waits to be killed.
func doomedHost(dir, name string) {
	h, err := New(Options{Builtins: []Builtin{{sdk.KindRegistry, name}}, RuntimeDir: dir + "/p"})
	if err == nil {
		go func() { _ = h.Run(context.Background()) }()
		_, err = h.Describe(context.Background(), sdk.KindRegistry, name)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Plugins()[0].PID)
	select {}
}
