// Package link drives the state machines of syncer/primary and syncer/member over
// sessions: it owns the goroutines, the timers, the dialling and the store calls.
//
// A [Hub] serves all members of one primary, an [Agent] is one member's side. Per
// session and side there are three goroutines: one that reads frames, one that
// writes them, and one that owns the state machine; all of them end with the
// session.
package link
