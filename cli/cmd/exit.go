package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/fault"
)

// The exit codes are a contract with scripts.
const (
	exitOK           = 0
	exitPolicy       = 1 // the question was answered, and the answer is no
	exitUsage        = 2 // the command line is wrong; nothing was done
	exitUnreachable  = 3 // no trustworthy answer from the server
	exitUnauthorised = 4 // not logged in, or not allowed
	exitNotReady     = 5 // not known yet
	exitOther        = 6
)

// problem is an error as a person meets it: cause, failed check, next step.
type problem struct {
	code  int
	check string
	try   string
	err   error
}

// Error gives the cause.
func (p *problem) Error() string { return p.err.Error() }

// Unwrap gives the cause.
func (p *problem) Unwrap() error { return p.err }

// withTry sets the next step and returns the problem itself.
func (p *problem) withTry(format string, args ...any) *problem {
	p.try = fmt.Sprintf(format, args...)
	return p
}

// withCheck names what was looked at and returns the problem itself.
func (p *problem) withCheck(format string, args ...any) *problem {
	p.check = fmt.Sprintf(format, args...)
	return p
}

func (p *problem) print(w io.Writer) {
	fmt.Fprintf(w, "error: %s\n", output.Clean(p.Error()))
	if p.check != "" {
		fmt.Fprintf(w, "check: %s\n", output.Clean(p.check))
	}
	if p.try != "" {
		fmt.Fprintf(w, "try:   %s\n", output.Clean(p.try))
	}
}

func newProblem(code int, format string, args ...any) *problem {
	return &problem{code: code, err: fmt.Errorf(format, args...)}
}

// usagef says that the command line is wrong.
func usagef(format string, args ...any) *problem { return newProblem(exitUsage, format, args...) }

// policyf says that the answer is no.
func policyf(format string, args ...any) *problem { return newProblem(exitPolicy, format, args...) }

// failf says that something else went wrong.
func failf(format string, args ...any) *problem { return newProblem(exitOther, format, args...) }

// inCommand points a usage error without advice at the command's help.
func inCommand(err error, command string) error {
	if p, ok := errors.AsType[*problem](err); ok && p.code == exitUsage && p.try == "" {
		p.try = command + " --help"
	}
	return err
}

// explain finds the problem in any error.
func explain(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		return explainRefusal(err, e)
	}
	if u, ok := errors.AsType[*client.Unreachable](err); ok {
		return explainUnreachable(err, u)
	}
	if errors.Is(err, context.Canceled) {
		return failf("interrupted")
	}
	return &problem{code: exitOther, err: err, try: fault.HintOf(err)}
}

func explainRefusal(err error, e *client.Error) *problem {
	p := &problem{code: exitOther, err: err, try: e.Hint}
	p.check = fmt.Sprintf("%s answered %d %s", e.Request, e.Status, e.Title)
	advice := ""
	switch e.Status {
	case http.StatusUnauthorized:
		p.code, advice = exitUnauthorised, "muster login"
	case http.StatusForbidden:
		p.code, advice = exitUnauthorised, "muster status shows who you are and your role"
	case http.StatusTooEarly:
		p.code, advice = exitNotReady, "ask again later; muster registry list shows running scans"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		p.code, advice = exitUnreachable, "the same again in a moment; muster status"
	case http.StatusInternalServerError:
		advice = "the daemon's log has the details; muster status"
	}
	if p.try == "" {
		p.try = advice
	}
	return p
}

func explainUnreachable(err error, u *client.Unreachable) *problem {
	p := &problem{code: exitUnreachable, err: err, check: u.Check}
	var pin *client.PinError
	switch {
	case errors.As(err, &pin):
		p.try = fmt.Sprintf("if the certificate was replaced on purpose and this is its fingerprint: muster login --server %s --fingerprint %s", u.Server, pin.Got)
	case u.Check == client.CheckCertificate:
		p.try = fmt.Sprintf("muster login --server %s shows the certificate's fingerprint and stores it; or --ca FILE", u.Server)
	default:
		p.try = "is the daemon running, and is this its address? muster context list shows the stored ones"
	}
	return p
}
