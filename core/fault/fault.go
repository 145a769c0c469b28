// Package fault says what went wrong in terms a caller can act on: a small set
// of kinds, the check that failed, and the next step to try. Libraries have
// sentinel errors of their own; core maps them to a fault where it first meets
// them, and the edges (HTTP status, exit code) are derived from the kind alone.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a failure.
type Kind int

// The kinds, from "your input" to "our house".
const (
	Internal        Kind = iota // a fault of ours; the default of any other error
	Invalid                     // the request is malformed or contradicts itself
	Unauthenticated             // no valid session, key or certificate
	Denied                      // known, but not allowed
	NotFound                    // no such object
	Conflict                    // the object's state forbids this now
	Gone                        // it existed and is over (removed member, used token)
	TooLarge                    // over a limit; the message names it
	Unsupported                 // understood and deliberately not handled
	Unavailable                 // a dependency does not answer; trying again may help
	NotReady                    // the answer is not known yet
)

// String is the kind's stable name, used as a metric label and in logs.
func (k Kind) String() string {
	names := [...]string{
		"internal", "invalid", "unauthenticated", "denied", "not_found", "conflict",
		"gone", "too_large", "unsupported", "unavailable", "not_ready",
	}
	if k < 0 || int(k) >= len(names) {
		return "internal"
	}
	return names[k]
}

// Error is a failure with a kind. Hint, when set, is the next step for the
// person who reads it.
type Error struct {
	Kind Kind
	Hint string
	err  error

	after *time.Duration // nil: not known
}

// Error gives what happened, with its causes; the hint is shown apart.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// New makes an error of a kind; format and args are those of fmt.Errorf, %w included.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, err: fmt.Errorf(format, args...)}
}

// WithHint sets the next step and returns the error itself.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithRetryAfter sets how long from now the next try makes no sense, as the other
// side said, and returns the error itself.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	e.after = &d
	return e
}

// RetryAfterOf is how long err asks to wait before the next try; false when it
// does not say. The outermost fault that knows decides.
func RetryAfterOf(err error) (time.Duration, bool) {
	for {
		f, ok := errors.AsType[*Error](err)
		if !ok {
			return 0, false
		}
		if f.after != nil {
			return *f.after, true
		}
		err = f.err
	}
}

// KindOf is the kind of the outermost fault in err's chain, Internal when
// there is none.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Kind
	}
	return Internal
}

// HintOf is the outermost hint in err's chain, or "".
func HintOf(err error) string {
	for {
		f, ok := errors.AsType[*Error](err)
		if !ok || f.Hint != "" {
			if f != nil {
				return f.Hint
			}
			return ""
		}
		err = f.err
	}
}
