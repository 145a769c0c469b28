package rig_test

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/muster-sec/muster/cli/rig"
)

// TestTiedCommandsOutliveThreads: a thread that ends, as one does whose goroutine
// ends locked to it, must not take a command with it.
func TestTiedCommandsOutliveThreads(t *testing.T) {
	for range 20 {
		cmd := exec.Command("cat") // until its input ends
		input, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		exited, err := rig.StartTied(cmd, syscall.SIGKILL)
		if err != nil {
			t.Fatal(err)
		}
		var threads sync.WaitGroup
		for range 50 {
			threads.Go(runtime.LockOSThread)
		}
		threads.Wait()
		_ = input.Close()
		if err := <-exited; err != nil {
			t.Fatalf("it ended by itself: %v", err)
		}
	}
}

func TestTiedCommandThatDoesNotStart(t *testing.T) {
	t.Parallel()
	if _, err := rig.StartTied(exec.Command("/nonexistent"), syscall.SIGKILL); err == nil {
		t.Error("no error")
	}
}
