package plughost

import (
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
)

// pushesOf converts what a plugin read of a call about pushes. A signature that
// is wrong is the caller's fault, unlike every other refusal of a plugin.
func pushesOf(reg model.Registry, pushes []sdk.Push, err error) ([]model.Push, error) {
	if errors.Is(err, sdk.ErrUnauthorized) || errors.Is(err, sdk.ErrDenied) {
		return nil, fault.New(fault.Denied, "a push told to %s: %w", reg.Name, err).
			WithHint("the registry must present what the setting webhook_secret says")
	}
	if err != nil {
		return nil, faultOf(fmt.Errorf("reading a push told to %s: %w", reg.Name, err))
	}
	out := make([]model.Push, 0, len(pushes))
	for _, p := range pushes {
		out = append(out, model.Push{Repository: p.Repository, Tag: p.Tag, Digest: digestOf(p.Digest)})
	}
	return out, nil
}
