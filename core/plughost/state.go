package plughost

import (
	"slices"
	"time"

	"github.com/muster-sec/muster/plugins/sdk"
)

// State is where a plugin is in its life.
type State string

// The states of a plugin:
//
//	declared → verified → starting → ready ⇄ degraded
//	                         ↑    ↘     ↓       ↓
//	                         └──── backoff, failed
//
// Built-ins skip verified. Every state leads to stopped, which is the end.
// Backoff leads back to starting by itself, failed once its time is over and
// somebody asks.
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
	// StateStopped: the host has ended, or the declaration was replaced. Calls
	// in flight may still be finishing.
	StateStopped State = "stopped"
)

// States returns all states, in the order of a life.
func States() []State {
	return []State{
		StateDeclared, StateVerified, StateStarting, StateReady,
		StateDegraded, StateBackoff, StateFailed, StateStopped,
	}
}

// next returns the states that may follow; a plugin may also stay as it is.
func (s State) next() []State {
	switch s {
	case StateDeclared:
		return []State{StateVerified, StateStarting, StateBackoff, StateFailed, StateStopped}
	case StateVerified, StateBackoff, StateFailed:
		return []State{StateStarting, StateStopped}
	case StateStarting:
		return []State{StateReady, StateBackoff, StateFailed, StateStopped}
	case StateReady:
		return []State{StateDegraded, StateBackoff, StateFailed, StateStopped}
	case StateDegraded:
		return []State{StateReady, StateBackoff, StateFailed, StateStopped}
	default:
		return nil
	}
}

// leadsTo reports whether a plugin may go from s to another state.
func (s State) leadsTo(other State) bool { return s == other || slices.Contains(s.next(), other) }

// Status is what is known of one plugin.
type Status struct {
	Name         string
	Kind         sdk.Kind
	Builtin      bool
	Version      string   // what it says of itself; empty before the first launch
	Capabilities []string // the same
	Protocol     int      // version of the contract that was agreed on; 0 before the first launch
	State        State
	Since        time.Time // when it came into that state
	PID          int       // 0 unless a process runs
	Restarts     int       // launches after the first, since it was declared as it is
	Calls        uint64    // since then too
	InFlight     int
	// LastError is the last thing that went wrong, kept while all is well again.
	LastError string
	// RetryAt is when a plugin in backoff or failed may be started again.
	RetryAt time.Time
}
