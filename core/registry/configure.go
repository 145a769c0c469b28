package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
)

// configure holds the settings against what the plugin of the registry's type
// takes, and puts the secret ones apart. Settings that are null are none.
func (s *Service) configure(ctx context.Context, r *model.Registry) error {
	r.Settings = maps.Clone(r.Settings)
	maps.DeleteFunc(r.Settings, func(_ string, v any) bool { return v == nil })
	for _, name := range []string{"url", "username", "password", "token", "repositories", "ca"} {
		if _, set := r.Settings[name]; set {
			return fault.New(fault.Invalid, "settings.%s: it has a field of its own and is no setting of the plugin", name).
				WithHint("give it beside the settings, not among them")
		}
	}
	settings, secret, err := s.Lister.Configure(ctx, *r)
	if err != nil {
		return fmt.Errorf("settings of registry %s: %w", r.Name, err)
	}
	r.Settings, r.SecretSettings = settings, maps.Clone(r.SecretSettings)
	for _, name := range secret {
		value, given := settings[name]
		if !given {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("registry: encode setting %s: %w", name, err)
		}
		if r.SecretSettings == nil {
			r.SecretSettings = map[string]model.Secret{}
		}
		r.SecretSettings[name] = model.Secret(text)
		delete(r.Settings, name)
	}
	if len(r.Settings) == 0 {
		r.Settings = nil
	}
	return nil
}

// keepSecrets fills empty secrets with the old ones. They were given for one
// address and one way to be sure of it: sending them elsewhere, in the clear or
// to whom another CA vouches for would hand them to whoever may edit a registry.
func keepSecrets(r *model.Registry, old model.Registry) error {
	login := r.Password == "" && r.Token == "" && (old.Password != "" || old.Token != "")
	settings := keptSettings(*r, old)
	if !login && len(settings) == 0 {
		return nil
	}
	changed := ""
	switch {
	case hostOf(r.URL) != hostOf(old.URL) || r.Type != old.Type:
		changed = "moves to another address"
	case registryhttp.IsPlain(r.URL) && !registryhttp.IsPlain(old.URL):
		changed = "would be asked without TLS"
	case r.CACert != old.CACert:
		changed = "would trust another CA certificate"
	case otherAPI(r.Settings, old.Settings):
		changed = "would ask another API"
	}
	if changed != "" {
		return fault.New(fault.Invalid, "registry %s %s: its credentials and secret settings must be given again", r.Name, changed).
			WithHint("repeat the request with the password, token or secret settings for %s", hostOf(r.URL))
	}
	if login {
		r.Password, r.Token = old.Password, old.Token
	}
	r.SecretSettings = settings
	return nil
}

// keptSettings are the secret settings of before that are neither given anew nor
// taken away. Those of another plugin are of no use.
func keptSettings(r, old model.Registry) map[string]model.Secret {
	if r.Type != old.Type {
		return nil
	}
	kept := maps.Clone(old.SecretSettings)
	maps.DeleteFunc(kept, func(name string, _ model.Secret) bool {
		_, given := r.Settings[name]
		return given
	})
	return kept
}

// otherAPI says that a setting changes that names an address: secrets may be
// sent there.
func otherAPI(a, b map[string]any) bool {
	for _, list := range []map[string]any{a, b} {
		for name := range list {
			if before, after := fmt.Sprint(b[name]), fmt.Sprint(a[name]); before != after && strings.Contains(before+after, "://") {
				return true
			}
		}
	}
	return false
}

func hasSecrets(r model.Registry) bool {
	return r.Password != "" || r.Token != "" || len(r.SecretSettings) > 0
}
