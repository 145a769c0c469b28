package daemon

import (
	"path/filepath"
	"testing"

	"github.com/muster-sec/muster/core/fault"
)

func TestASecondDaemonOnTheDataDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := lockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDataDir(dir); fault.KindOf(err) != fault.Conflict || fault.HintOf(err) == "" {
		t.Errorf("second lock: %v, want a conflict with a hint", err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDataDir(dir)
	if err != nil {
		t.Fatalf("after the first is gone: %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Error(err)
	}
}
