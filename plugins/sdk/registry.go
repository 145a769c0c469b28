package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// Registry lists what a container registry holds and says how to pull it.
type Registry interface {
	// Repositories yields the names of all repositories the configuration
	// covers. An error ends the listing and says that it is incomplete.
	Repositories(ctx context.Context, cfg Config) iter.Seq2[string, error]
	// Tags yields the tags of one repository, under the same rule. Where the
	// registry tells digests, manifests without a tag are yielded too.
	Tags(ctx context.Context, cfg Config, repository string) iter.Seq2[Tag, error]
	// Credential returns what a puller of the repository presents.
	Credential(ctx context.Context, cfg Config, repository string) (Credential, error)
	// Diagnose tries the configuration step by step and stops after the first
	// step that fails. The error says that it could not even try.
	Diagnose(ctx context.Context, cfg Config) ([]Step, error)
}

// RegistrySettings are the keys that the host puts into the configuration of
// every registry, as far as they are set. A plugin lists those it takes in its
// schema, and embeds this type to decode them.
type RegistrySettings struct {
	URL          string   `json:"url,omitempty"`
	Username     string   `json:"username,omitempty"`
	Password     string   `json:"password,omitempty"`
	Token        string   `json:"token,omitempty"`        // a bearer token
	Repositories []string `json:"repositories,omitempty"` // instead of what the registry lists
	CA           string   `json:"ca,omitempty"`           // PEM, trusted in addition to the system's
}

// Config encodes the settings for a call.
func (s RegistrySettings) Config() (Config, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("sdk: encoding the settings of a registry: %w", err)
	}
	return raw, nil
}

// TagResolver is an optional ability of a Registry.
type TagResolver interface {
	// ResolveTag returns the manifest that a tag points at now, without
	// spending a pull.
	ResolveTag(ctx context.Context, cfg Config, repository, tag string) (Manifest, error)
}

// PushDecoder is an optional ability of a Registry.
type PushDecoder interface {
	// DecodePush reads a webhook call of the registry, checks its signature
	// where the configuration has a secret for it, and returns what was pushed.
	DecodePush(ctx context.Context, cfg Config, event PushEvent) ([]Push, error)
}

// Tag is one entry of a repository's listing.
type Tag struct {
	Name   string // empty for a manifest without a tag
	Digest string // "sha256:…" where the listing tells it, else empty
	// MediaType is the manifest's, where the listing tells it, else empty.
	MediaType string
}

// Manifest is what a tag points at.
type Manifest struct {
	Digest    string // "sha256:…"
	MediaType string
}

// Credential is what a puller presents. The zero value reads anonymously;
// otherwise either Token or Username and Password are set. It never shows its
// secrets when it is printed or logged.
type Credential struct {
	Username string
	Password string
	Token    string    // presented as a bearer token
	Expires  time.Time // zero: it does not expire by itself
}

// String names the kind of credential without its secrets.
func (c Credential) String() string {
	switch {
	case c.Token != "":
		return "bearer token"
	case c.Username != "" || c.Password != "":
		return "password of " + c.Username
	default:
		return "anonymous"
	}
}

// GoString is String: no secrets in %#v either.
func (c Credential) GoString() string { return c.String() }

// LogValue is String: no secrets in logs.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Step is one step of a diagnosis.
type Step struct {
	Name   string
	OK     bool
	Detail string // what was seen
	Fix    string // what to change, when not OK
}

// PushEvent is a webhook call as it arrived.
type PushEvent struct {
	Body    []byte
	Headers map[string]string // canonical names, first values
}

// Push is one image that was pushed.
type Push struct {
	Repository string
	Tag        string
	Digest     string
}
