package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Explain gives an error of a request its kind, and a text that says what to do
// where that is known.
func Explain(err error) error {
	var answer *transport.Error
	var retry *sdk.RetryError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &retry):
		return retry
	case errors.As(err, &answer):
		return explainStatus(err, answer.StatusCode)
	case hasKind(err):
		return err
	case strings.Contains(err.Error(), "x509: certificate signed by unknown authority"):
		return fmt.Errorf("%w: %w; put the registry's CA certificate into the setting `ca`", sdk.ErrUnavailable, err)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w: %w; if the registry has no TLS, its url begins with http://", sdk.ErrUnavailable, err)
	case errors.Is(err, ErrPlain):
		return fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	default:
		return fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	}
}

// hasKind says that an error already is what it should be.
func hasKind(err error) bool {
	for _, kind := range []error{
		sdk.ErrLimit, sdk.ErrInvalid, sdk.ErrUnauthorized, sdk.ErrDenied, sdk.ErrNotFound, sdk.ErrUnavailable,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func explainStatus(err error, status int) error {
	switch {
	case hasKind(err):
		return err
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", sdk.ErrUnauthorized, err)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", sdk.ErrDenied, err)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %w", sdk.ErrNotFound, err)
	case status == http.StatusTooManyRequests || status >= 500:
		return fmt.Errorf("%w: %w", sdk.ErrUnavailable, err)
	default:
		return fmt.Errorf("unexpected answer: %w", err)
	}
}
