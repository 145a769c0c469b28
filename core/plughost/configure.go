package plughost

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/schema"
)

// describeWithin bounds how long somebody who sets up a registry waits for its
// plugin to start.
const describeWithin = 30 * time.Second

// Configure holds the whole configuration of a registry against the schema that
// the plugin of its type publishes. It returns the plugin's own settings, texts
// read as the type that the schema names, and the names of those that are secret.
func (r *Registries) Configure(ctx context.Context, reg model.Registry) (settings map[string]any, secret []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, describeWithin)
	defer cancel()
	about, err := r.host.Describe(ctx, sdk.KindRegistry, reg.Type)
	if err != nil {
		return nil, nil, faultOf(err)
	}
	rules, err := schema.Compile(about.ConfigSchema)
	if err != nil {
		return nil, nil, fault.New(fault.Unavailable, "the schema of plugin %s: %w", reg.Type, err).
			WithHint("`muster plugin test` says what is wrong with the plugin")
	}
	reg.Settings = maps.Clone(reg.Settings)
	for name, value := range reg.Settings {
		if text, ok := value.(string); ok {
			reg.Settings[name] = rules.Typed(name, text)
		}
	}
	cfg, err := settingsOf(reg)
	if err != nil {
		return nil, nil, err
	}
	if err := rules.Validate(cfg); err != nil {
		return nil, nil, fault.New(fault.Invalid, "%w", err).WithHint("plugin %s takes: %s", reg.Type, strings.Join(rules.Names(), ", "))
	}
	return reg.Settings, rules.SecretNames(cfg), nil
}
