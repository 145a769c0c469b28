// Package notification reads what registries send when something was pushed,
// as far as several of them send the same.
package notification

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxBody   = 1 << 20
	maxPushes = 1000
)

// Authorize checks the secret that a registry was told to send in the header
// Authorization, alone or as a bearer token. Without a secret everything may
// come in. The error is ErrUnauthorized.
func Authorize(event sdk.PushEvent, secret string) error {
	if secret == "" {
		return nil
	}
	got := event.Headers["Authorization"]
	if scheme, rest, ok := strings.Cut(got, " "); ok && strings.EqualFold(scheme, "bearer") {
		got = rest
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(secret)) != 1 {
		return fmt.Errorf("%w: the header Authorization of the notification is not the setting `webhook_secret`", sdk.ErrUnauthorized)
	}
	return nil
}

// Decode reads the body of a notification into v, a pointer.
func Decode(event sdk.PushEvent, v any) error {
	if len(event.Body) > maxBody {
		return fmt.Errorf("%w: the notification has %d bytes, the limit is %d", sdk.ErrLimit, len(event.Body), maxBody)
	}
	if err := json.Unmarshal(event.Body, v); err != nil {
		return fmt.Errorf("%w: the notification: %w", sdk.ErrInvalid, err)
	}
	return nil
}

// Pushes collects the pushes of one notification.
type Pushes struct {
	list []sdk.Push
	err  error
}

// List returns what was collected, or what was wrong with it.
func (p *Pushes) List() ([]sdk.Push, error) {
	if p.err != nil {
		return nil, p.err
	}
	return p.list, nil
}

var digestSyntax = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Add adds a push, unless its tag only attaches something to another image. A
// name or digest that is none spoils the whole notification, because that does
// not come from a registry.
func (p *Pushes) Add(push sdk.Push) {
	if p.err != nil || distribution.Attached(push.Tag) {
		return
	}
	repo, err := name.NewRepository("registry.invalid/" + push.Repository)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: the notification: %w", sdk.ErrInvalid, err)
	case push.Tag == "" && push.Digest == "":
		err = fmt.Errorf("%w: the notification: neither a tag nor a digest was pushed", sdk.ErrInvalid)
	case push.Digest != "" && !digestSyntax.MatchString(push.Digest):
		err = fmt.Errorf("%w: the notification: %.100q is no sha256 digest", sdk.ErrInvalid, push.Digest)
	case len(p.list) >= maxPushes:
		err = fmt.Errorf("%w: the notification has more than %d pushes", sdk.ErrLimit, maxPushes)
	case push.Tag != "":
		if _, err = name.NewTag(repo.Name()+":"+push.Tag, name.StrictValidation); err != nil {
			err = fmt.Errorf("%w: the notification: %w", sdk.ErrInvalid, err)
		}
	}
	if err != nil {
		p.err = err
		return
	}
	p.list = append(p.list, push)
}

// Distribution reads the notifications of the registry that most others are
// built upon (distribution/distribution, docs/content/about/notifications.md):
// an envelope of events, of which the pushes of manifests are kept.
func Distribution(event sdk.PushEvent) ([]sdk.Push, error) {
	var envelope struct {
		Events []struct {
			Action string `json:"action"`
			Target struct {
				MediaType  string `json:"mediaType"`
				Digest     string `json:"digest"`
				Repository string `json:"repository"`
				Tag        string `json:"tag"`
			} `json:"target"`
		} `json:"events"`
	}
	if err := Decode(event, &envelope); err != nil {
		return nil, err
	}
	if envelope.Events == nil {
		return nil, fmt.Errorf("%w: the notification has no events", sdk.ErrInvalid)
	}
	var pushes Pushes
	for _, e := range envelope.Events {
		isManifest := strings.Contains(e.Target.MediaType, "manifest") || strings.Contains(e.Target.MediaType, "image.index")
		if e.Action == "push" && isManifest {
			pushes.Add(sdk.Push{Repository: e.Target.Repository, Tag: e.Target.Tag, Digest: e.Target.Digest})
		}
	}
	return pushes.List()
}
