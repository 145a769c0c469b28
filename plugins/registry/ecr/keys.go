package ecr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// metadataService is where a machine of Amazon's learns about itself.
	metadataService = "http://169.254.169.254"

	keySlack    = 5 * time.Minute // keys that expire sooner are not used any more
	maxMetadata = 4 << 10
)

var errNoRole = errors.New("the machine's metadata service names no role")

// keys gives the keys to sign with, other than the stale ones, which were refused.
type keys interface {
	current(ctx context.Context, stale aws.Credentials) (aws.Credentials, error)
}

func (c *config) keys(env wire.Env, metadata string) keys {
	if !c.InstanceRole {
		return configured{AccessKeyID: c.Username, SecretAccessKey: c.Password, SessionToken: c.Token}
	}
	transport := wire.New(wire.Options{Plain: true, Direct: true, Env: env})
	return &instanceRole{address: metadata, client: transport.Client(nil), now: env.Now}
}

// configured are keys from the configuration.
type configured aws.Credentials

func (k configured) current(context.Context, aws.Credentials) (aws.Credentials, error) {
	return aws.Credentials(k), nil
}

// instanceRole are the keys of the machine's role, by version 2 of the metadata
// service (AWS: "Use IMDSv2"). It is safe for concurrent use.
type instanceRole struct {
	address string
	client  *wire.Client
	now     func() time.Time

	mu    sync.Mutex // held while new keys are got
	known aws.Credentials
}

func (r *instanceRole) current(ctx context.Context, stale aws.Credentials) (aws.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known.HasKeys() && r.known.AccessKeyID != stale.AccessKeyID && r.now().Add(keySlack).Before(r.known.Expires) {
		return r.known, nil
	}
	got, err := r.fetch(ctx)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("%w: asking for the keys of the machine's role: %w", sdk.ErrUnauthorized, err)
	}
	r.known = got
	return got, nil
}

func (r *instanceRole) fetch(ctx context.Context) (aws.Credentials, error) {
	const ttl = "X-aws-ec2-metadata-token-ttl-seconds"
	session, err := r.text(ctx, http.MethodPut, "/latest/api/token", ttl, "300")
	if err != nil {
		return aws.Credentials{}, err
	}
	const roles, token = "/latest/meta-data/iam/security-credentials/", "X-aws-ec2-metadata-token"
	role, err := r.text(ctx, http.MethodGet, roles, token, session)
	if errors.Is(err, sdk.ErrNotFound) || err == nil && role == "" {
		return aws.Credentials{}, errNoRole
	}
	if err != nil {
		return aws.Credentials{}, err
	}
	req, err := r.request(ctx, http.MethodGet, roles+url.PathEscape(role), token, session)
	if err != nil {
		return aws.Credentials{}, err
	}
	var got struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if _, err := r.client.JSON(req, &got); err != nil {
		return aws.Credentials{}, err
	}
	if got.AccessKeyID == "" || got.SecretAccessKey == "" {
		return aws.Credentials{}, errNoRole
	}
	return aws.Credentials{
		AccessKeyID: got.AccessKeyID, SecretAccessKey: got.SecretAccessKey, SessionToken: got.Token, Expires: got.Expiration,
	}, nil
}

func (r *instanceRole) request(ctx context.Context, method, path, header, value string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.address+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	req.Header.Set(header, value)
	return req, nil
}

// text asks for one line of text.
func (r *instanceRole) text(ctx context.Context, method, path, header, value string) (string, error) {
	req, err := r.request(ctx, method, path, header, value)
	if err != nil {
		return "", err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
	if err != nil {
		return "", wire.Explain(err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return line, nil
}
