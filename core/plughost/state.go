package plughost

import (
	"time"

	"github.com/muster-sec/muster/plugins/sdk"
)

// State is where a plugin is in its life.
type State string

// The states of a plugin:
//
//	declared → verified → starting → ready ⇄ degraded → backoff → failed → stopped
//
// Built-ins skip verified. Every state leads to stopped when the host ends, and
// failed leads back to starting once its time is over and somebody asks.
const (
	// StateDeclared: known, not yet looked at.
	StateDeclared State = "declared"
	// StateVerified: the checksum fits; started when it is first needed.
	StateVerified State = "verified"
	// StateStarting: the process is being launched.
	StateStarting State = "starting"
	// StateReady: serves calls.
	StateReady State = "ready"
	// StateDegraded: serves calls, but misses health checks or reports a problem.
	StateDegraded State = "degraded"
	// StateBackoff: ended unexpectedly, waits for its restart.
	StateBackoff State = "backoff"
	// StateFailed: cannot be started as it is, or ended too often: calls fail
	// at once until RetryAt.
	StateFailed State = "failed"
	// StateStopped: the host has ended.
	StateStopped State = "stopped"
)

// Status is what is known of one plugin.
type Status struct {
	Name     string
	Kind     sdk.Kind
	Version  string // what it says of itself; empty before the first launch
	Builtin  bool
	State    State
	PID      int // 0 unless a process runs
	Restarts int // launches after the first
	Calls    uint64
	InFlight int
	// LastError is the last thing that went wrong, kept while all is well again.
	LastError string
	// RetryAt is when a plugin in backoff or failed may be started again.
	RetryAt time.Time
}
