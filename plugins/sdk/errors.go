package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Errors that cross the border. A plugin wraps the one that fits; on the host
// errors.Is finds it again. Any other error arrives as a plain one.
var (
	// ErrInvalid says that the configuration or the document is wrong.
	ErrInvalid = errors.New("invalid")
	// ErrUnauthorized says that the credential was not accepted.
	ErrUnauthorized = errors.New("not authorized")
	// ErrDenied says that the credential was accepted but may not do this.
	ErrDenied = errors.New("denied")
	// ErrNotFound says that what was asked for does not exist.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that the other side cannot be reached now; later it may.
	ErrUnavailable = errors.New("unavailable")
	// ErrLimit says that an input is larger than the limit for it.
	ErrLimit = errors.New("over the limit")
	// ErrUnsupported says that the plugin does not have this ability.
	ErrUnsupported = errors.New("unsupported")
	// ErrUnhealthy says that a plugin answers, and reports a problem of its own.
	ErrUnhealthy = errors.New("unhealthy")
)

// RetryError is an ErrUnavailable that knows when trying again makes sense.
type RetryError struct {
	After time.Duration // counted from now
	Err   error
}

// Error says what went wrong and when to try again.
func (e *RetryError) Error() string {
	return fmt.Sprintf("%v (retry after %s)", e.Err, e.After)
}

// Unwrap returns the cause and ErrUnavailable.
func (e *RetryError) Unwrap() []error { return []error{e.Err, ErrUnavailable} }

// RetryAfter returns how long err asks to wait before the next try.
func RetryAfter(err error) (time.Duration, bool) {
	var retry *RetryError
	if errors.As(err, &retry) {
		return retry.After, true
	}
	return 0, false
}

// wireError is an error that came over the border: the text of the other side
// and the sentinel it stands for.
type wireError struct {
	text string
	kind error
}

func (e *wireError) Error() string { return e.text }
func (e *wireError) Unwrap() error { return e.kind }

// errorCode is one row of the table that maps sentinels to gRPC codes.
type errorCode struct {
	err  error
	code codes.Code
}

func errorCodes() []errorCode {
	return []errorCode{
		{ErrInvalid, codes.InvalidArgument},
		{ErrUnauthorized, codes.Unauthenticated},
		{ErrDenied, codes.PermissionDenied},
		{ErrNotFound, codes.NotFound},
		{ErrLimit, codes.ResourceExhausted},
		{ErrUnsupported, codes.Unimplemented},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{ErrUnavailable, codes.Unavailable},
	}
}

// toWire turns an author's error into the status that carries it.
func toWire(err error) error {
	if err == nil {
		return nil
	}
	code := codes.Unknown
	if st, ok := status.FromError(err); ok {
		code = st.Code() // of the call itself, for instance a failed send
	}
	for _, row := range errorCodes() {
		if errors.Is(err, row.err) {
			code = row.code
			break
		}
	}
	text := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "…"
	}
	st := status.New(code, text)
	if after, ok := RetryAfter(err); ok {
		if detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)}); err == nil {
			st = detailed
		}
	}
	return st.Err()
}

// fromWire turns the status of a call back into an error that errors.Is knows.
// The end of a stream stays io.EOF.
func fromWire(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	out := &wireError{text: st.Message()}
	for _, row := range errorCodes() {
		if st.Code() == row.code {
			out.kind = row.err
			break
		}
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return &RetryError{After: info.GetRetryDelay().AsDuration(), Err: out}
		}
	}
	return out
}
