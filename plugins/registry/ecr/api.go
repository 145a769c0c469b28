package ecr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	service     = "ecr"
	target      = "AmazonEC2ContainerRegistry_V20150921."
	contentType = "application/x-amz-json-1.1"
	maxRefusal  = 64 << 10
	maxTries    = 6
)

var errClock = errors.New("the time in the signature is not Amazon's")

// api makes the calls of ECR (Amazon ECR API Reference, 2015-09-21).
type api struct {
	config    *config
	transport *wire.Transport
	client    *wire.Client
	env       wire.Env
	keys      keys
}

// refusal is an error of the API.
type refusal struct {
	name    string // "ThrottlingException"
	message string
	status  int
}

// Error is what the API says.
func (r *refusal) Error() string {
	return fmt.Sprintf("%s (HTTP %d): %.500s", r.name, r.status, r.message)
}

// Unwrap returns the kind of the error.
func (r *refusal) Unwrap() error {
	switch r.name {
	case "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationTokenException", "IncompleteSignatureException":
		return sdk.ErrUnauthorized
	case "InvalidSignatureException":
		if strings.Contains(r.message, "Signature expired") || strings.Contains(r.message, "Signature not yet current") {
			return fmt.Errorf("%w: %w", sdk.ErrUnauthorized, errClock)
		}
		return sdk.ErrUnauthorized
	case "AccessDeniedException", "OptInRequired":
		return sdk.ErrDenied
	case "RepositoryNotFoundException", "ImageNotFoundException", "RegistryNotFoundException":
		return sdk.ErrNotFound
	case "InvalidParameterException", "ValidationException":
		return sdk.ErrInvalid
	case "ServerException", "InternalFailure", "ServiceUnavailable":
		return sdk.ErrUnavailable
	}
	switch {
	case r.expired():
		return sdk.ErrUnauthorized
	case r.throttled():
		return sdk.ErrUnavailable
	default:
		return nil
	}
}

func (r *refusal) expired() bool {
	return r.name == "ExpiredTokenException" || r.name == "ExpiredToken"
}

func (r *refusal) throttled() bool {
	switch r.name {
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded":
		return true
	default:
		return false
	}
}

// call makes one call, again with new keys if the old ones have expired, and
// again after a while as long as it is throttled.
func (a *api) call(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding the call %s: %w", action, err)
	}
	ctx = wire.Repeatable(ctx)
	var stale aws.Credentials
	for try := 1; ; try++ {
		signer, err := a.keys.current(ctx, stale)
		if err != nil {
			return err
		}
		err = a.once(ctx, signer, action, body, out)
		var refused *refusal
		switch {
		case !errors.As(err, &refused) || try == maxTries:
		case refused.expired() && a.config.InstanceRole && stale.AccessKeyID == "":
			stale = signer
			continue
		case refused.throttled():
			if err := a.transport.Wait(ctx, a.transport.BackOff(try), a.config.api.Host, refused.name); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		return nil
	}
}

func (a *api) once(ctx context.Context, signer aws.Credentials, action string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.config.api.JoinPath("/").String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Amz-Target", target+action)
	hash := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(ctx, signer, req, hex.EncodeToString(hash[:]), service, a.config.Region, a.env.Now().UTC())
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	resp, err := a.client.Send(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a.refused(resp)
	}
	return wire.Decode(resp, out)
}

// refused reads an error of the API, or else judges by the status.
func (a *api) refused(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return wire.Explain(err)
	}
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &said) == nil && said.Type != "" {
		name := said.Type[strings.LastIndex(said.Type, "#")+1:]
		return &refusal{name: name, message: said.Message, status: resp.StatusCode}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body)) // the open one is the caller's
	return a.client.Refusal(resp)
}
