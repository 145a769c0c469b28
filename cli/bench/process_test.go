package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muster-sec/muster/cli/rig"
)

const (
	// sampleEvery is how often memory is looked at.
	sampleEvery = 5 * time.Millisecond
	// treeEvery is how many samples later new children are looked for, which
	// means to read what the kernel says of every process.
	treeEvery = 20
	// clockTicks is USER_HZ, the unit of times in /proc on every Linux.
	clockTicks = 100
)

// run is what one run of a command cost.
type run struct {
	cpu  time.Duration // user and system time of the process and its children
	wall time.Duration
	// anon is the highest sum of anonymous memory of the process and those below
	// it: RssAnon of /proc/PID/status, sampled every five milliseconds. Files
	// that are mapped, like a database, are the page cache's and do not count.
	anon     int64
	findings int
}

// execute runs a command to its end and returns its cost and standard output.
func execute(b *testing.B, bin string, args ...string) (run, []byte) {
	b.Helper()
	var problems bytes.Buffer
	out, err := os.Create(filepath.Join(b.TempDir(), "out")) // a pipe would have to be emptied by us
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(bin, args...)
	cmd.Stdout, cmd.Stderr = out, &problems
	started := time.Now()
	exited, err := rig.StartTied(cmd, syscall.SIGKILL)
	if err != nil {
		b.Fatal(err)
	}
	peak := watch(cmd.Process.Pid)
	err = <-exited
	result := run{wall: time.Since(started), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), anon: peak()}
	if err != nil {
		b.Fatalf("%s %s: %v: %s", filepath.Base(bin), strings.Join(args, " "), err, problems.Bytes())
	}
	body, err := os.ReadFile(out.Name())
	if err != nil {
		b.Fatal(err)
	}
	return result, body
}

// watch samples the memory of a process and those below it until the function
// that it returns is called, which gives the highest sum.
func watch(pid int) func() int64 {
	stop, done := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		var peak int64
		tree := []int{pid}
		for n := 1; ; n++ {
			var sum int64
			for _, p := range tree {
				sum += anonymous(p)
			}
			peak = max(peak, sum)
			select {
			case <-stop:
				done <- peak
				return
			case <-tick.C:
			}
			if n%treeEvery == 0 {
				tree = treeOf(pid)
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-done
	}
}

// anonymous returns RssAnon of a process in bytes; 0 when it is gone.
func anonymous(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nRssAnon:")
	kib, _, _ := strings.Cut(rest, "kB")
	n, err := strconv.ParseInt(strings.TrimSpace(kib), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// treeOf returns a process and all below it.
func treeOf(pid int) []int {
	children := map[int][]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return []int{pid}
	}
	for _, file := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		if fields, err := statOf(child); err == nil {
			if parent, err := strconv.Atoi(fields[1]); err == nil {
				children[parent] = append(children[parent], child)
			}
		}
	}
	tree := []int{pid}
	for i := 0; i < len(tree); i++ {
		tree = slices.Concat(tree, children[tree[i]])
	}
	return tree
}

// statOf returns the fields of /proc/PID/stat from the state on, which follow
// the name of the program and whatever that contains.
func statOf(pid int) ([]string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields after the name", pid, len(fields))
	}
	return fields, nil
}

// treeCPU returns the processor time that a process, those below it and those
// of them that have ended have used.
func treeCPU(pid int) (time.Duration, error) {
	var ticks int64
	for _, p := range treeOf(pid) {
		fields, err := statOf(p)
		if err != nil {
			if p == pid {
				return 0, err
			}
			continue
		}
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/%d/stat: %w", p, err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}
