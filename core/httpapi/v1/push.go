package v1

import (
	"errors"
	"io"
	"net/http"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

// The limits of calls that need no login.
const (
	pushesAtOnce = 8
	pushBody     = 256 << 10
	pushHeader   = 4 << 10 // of one value
)

// newPushKey answers the address that a registry is given, once: nobody is shown
// it again.
func (a *API) newPushKey(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	key, err := a.RegistryRuns.NewPushKey(r.Context(), httpapi.ActorOf(r.Context()), name)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, api.PushAddress{Path: Prefix + "/registries/" + name + "/push/" + key})
}

func (a *API) removePushKey(w http.ResponseWriter, r *http.Request) error {
	if err := a.RegistryRuns.RemovePushKey(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("name")); err != nil {
		return err
	}
	return done(w)
}

// push takes a registry's call. It needs no login: the path is the secret, and
// the plugin checks the signature where there is one.
func (a *API) push(w http.ResponseWriter, r *http.Request) error {
	select {
	case a.pushes <- struct{}{}:
		defer func() { <-a.pushes }()
	default:
		return fault.New(fault.Unavailable, "too many pushes are told at once").WithHint("tell it again later")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, pushBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.TooLarge, "the body has more than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return fault.New(fault.Invalid, "read the body: %w", err)
	}
	event := model.PushEvent{Body: body, Headers: map[string]string{}}
	for name, values := range r.Header {
		if len(values[0]) <= pushHeader {
			event.Headers[name] = values[0]
		}
	}
	if err := a.RegistryRuns.Push(r.Context(), r.PathValue("name"), r.PathValue("key"), event); err != nil {
		return err
	}
	return done(w)
}
