package daemon

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/muster-sec/muster/core/fault"
)

// lockDataDir makes the data directory if needed and takes it for this
// process. The kernel gives the lock back when the process ends, however it ends.
func lockDataDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("daemon: make the data directory: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	taken, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("daemon: lock the data directory: %w", err)
	}
	if !taken {
		return nil, fault.New(fault.Conflict, "the data directory %s is in use by another muster", dir).
			WithHint("stop the other daemon, or give this one its own --data-dir")
	}
	return lock, nil
}
