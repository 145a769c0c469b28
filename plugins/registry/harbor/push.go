package harbor

import (
	"context"
	"fmt"

	"github.com/muster-sec/muster/plugins/registry/internal/notification"
	"github.com/muster-sec/muster/plugins/sdk"
)

// eventData is what both formats of Harbor's webhooks carry.
type eventData struct {
	Resources []struct {
		Digest string `json:"digest"`
		Tag    string `json:"tag"` // the digest once more for a push without a tag
	} `json:"resources"`
	Repository struct {
		FullName string `json:"repo_full_name"`
	} `json:"repository"`
}

// DecodePush reads a webhook call of Harbor, in its default format or as a
// CloudEvent. Calls about something else than a push hold no pushes.
func (*Registry) DecodePush(_ context.Context, cfg sdk.Config, event sdk.PushEvent) ([]sdk.Push, error) {
	c, _, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	if err := notification.Authorize(event, c.WebhookSecret); err != nil {
		return nil, err
	}
	return decodePush(event)
}

func decodePush(event sdk.PushEvent) ([]sdk.Push, error) {
	var call struct {
		Type      string    `json:"type"`
		EventData eventData `json:"event_data"`
		Data      eventData `json:"data"`
	}
	if err := notification.Decode(event, &call); err != nil {
		return nil, err
	}
	data := call.EventData
	switch call.Type {
	case "PUSH_ARTIFACT":
	case "harbor.artifact.pushed":
		data = call.Data
	case "":
		return nil, fmt.Errorf("%w: the notification has no type", sdk.ErrInvalid)
	default:
		return nil, nil
	}
	var pushes notification.Pushes
	for _, r := range data.Resources {
		push := sdk.Push{Repository: data.Repository.FullName, Tag: r.Tag, Digest: r.Digest}
		if push.Tag == push.Digest {
			push.Tag = ""
		}
		pushes.Add(push)
	}
	return pushes.List()
}
