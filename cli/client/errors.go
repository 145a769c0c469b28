package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// Error is the daemon's refusal of a request.
type Error struct {
	Status  int    // of HTTP
	Code    int    // the compatible API's number, 0 when none was given
	Request string // "GET /clusters/x"
	Title   string // what Code or Status means
	Message string // the cause; may be empty
	Hint    string // the daemon's advice; may be empty
}

// Error gives the cause; the request and the hint are shown apart.
func (e *Error) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return e.Title
}

// IsStatus says whether err is the daemon's refusal with this HTTP status.
func IsStatus(err error, status int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == status
}

// CheckCertificate is the Check of an Unreachable whose certificate is not trusted.
const CheckCertificate = "verify the certificate"

// Unreachable says that no trustworthy answer came: which check failed, and why.
type Unreachable struct {
	Server string
	Check  string // "resolve the name", "connect", CheckCertificate, …
	Err    error
}

// Error gives the cause with the server's name.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("cannot reach %s: %v", e.Server, e.Err)
}

// Unwrap gives the cause.
func (e *Unreachable) Unwrap() error { return e.Err }

// refused reads the body of an answer that is not 2xx.
func refused(in call, resp *http.Response) error {
	e := &Error{
		Status: resp.StatusCode, Request: in.method + " " + prefix + in.path,
		Title: http.StatusText(resp.StatusCode),
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return e // the status alone says enough
	}
	parseRefusal(e, data)
	return e
}

// parseRefusal fills e from an api.Error; a proxy in between may have answered
// something else, of which the status is all that is worth keeping.
func parseRefusal(e *Error, data []byte) {
	var body api.Error
	if json.Unmarshal(data, &body) != nil {
		return
	}
	e.Code, e.Message, e.Hint = body.Code, body.Message, body.Hint
	if body.Error != "" {
		e.Title = body.Error
	}
}

// unreachable names the check that a transport error failed. A cancellation by
// the caller stays itself.
func (c *Client) unreachable(err error) error {
	err = withoutURL(err)
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &Unreachable{Server: c.Server(), Check: failedCheck(err), Err: err}
}

func failedCheck(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "resolve the name"
	}
	if isTrustError(err) {
		return CheckCertificate
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "speak TLS"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return "connect"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "answer in time"
	}
	return "send the request"
}

// isTrustError says whether the handshake failed for the certificate.
func isTrustError(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	_, ok := errors.AsType[*PinError](err)
	return ok
}
