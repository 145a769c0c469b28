package sdk

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind says which contract a plugin fulfils.
type Kind string

// The three kinds of plugins.
const (
	KindRegistry  Kind = "registry"
	KindIngest    Kind = "ingest"
	KindTransport Kind = "transport"
)

// Kinds returns all kinds, in the order in which they are listed to users.
func Kinds() []Kind { return []Kind{KindRegistry, KindIngest, KindTransport} }

// Capability strings that the SDK derives from the interfaces a plugin fulfils.
const (
	CapabilityResolveTag = "registry.resolve-tag"
	CapabilityDecodePush = "registry.decode-push"
	CapabilityListen     = "transport.listen"
	CapabilityDial       = "transport.dial"
	CapabilityObjects    = "transport.objects"
)

// Plugin is everything that Serve needs to know about a plugin. Of the handlers
// exactly those of its kind are set.
type Plugin struct {
	// Name is unique within the kind: lower case letters, digits, dashes.
	Name string
	// Version is the plugin's own, for instance "1.4.0".
	Version string
	Kind    Kind
	// ConfigSchema is the JSON Schema (2020-12) of the configuration that
	// calls carry; properties with "writeOnly": true are secrets. Empty means
	// that the plugin takes no configuration.
	ConfigSchema string
	// Capabilities are abilities beyond those that the SDK derives itself.
	Capabilities []string

	Registry Registry        // of KindRegistry
	Ingester Ingester        // of KindIngest
	Streams  StreamTransport // of KindTransport, this or Objects or both
	Objects  ObjectTransport

	// Health returns what is wrong, or nil. It must answer within two seconds.
	// A nil function means healthy as long as the process answers.
	Health func(ctx context.Context) error
}

// Description is what a plugin says of itself.
type Description struct {
	Name         string
	Version      string
	Kind         Kind
	ConfigSchema string
	Capabilities []string
}

// Has reports whether the plugin has an optional ability.
func (d Description) Has(capability string) bool {
	return slices.Contains(d.Capabilities, capability)
}

var nameSyntax = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// ValidName reports whether s may name a plugin: 1 to 64 lower case letters,
// digits and inner dashes.
func ValidName(s string) bool { return nameSyntax.MatchString(s) }

// Validate returns all that is wrong with the declaration of a plugin.
func (p Plugin) Validate() error {
	var errs []error
	if !ValidName(p.Name) {
		errs = append(errs, fmt.Errorf("name %q: use lower case letters, digits and dashes", p.Name))
	}
	if p.Version == "" {
		errs = append(errs, errors.New("version is empty"))
	}
	handlers := map[Kind]bool{
		KindRegistry:  p.Registry != nil,
		KindIngest:    p.Ingester != nil,
		KindTransport: p.Streams != nil || p.Objects != nil,
	}
	if _, known := handlers[p.Kind]; !known {
		errs = append(errs, fmt.Errorf("kind %q: it is one of %v", p.Kind, Kinds()))
	}
	for kind, set := range handlers {
		switch {
		case set && kind != p.Kind:
			errs = append(errs, fmt.Errorf("kind is %s, but a handler of kind %s is set", p.Kind, kind))
		case !set && kind == p.Kind:
			errs = append(errs, fmt.Errorf("kind is %s, but its handler is nil", kind))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sdk: plugin: %w", err)
	}
	return nil
}

// Describe returns what the plugin will say of itself, derived capabilities
// included.
func (p Plugin) Describe() Description {
	caps := slices.Clone(p.Capabilities)
	if _, ok := p.Registry.(TagResolver); ok {
		caps = append(caps, CapabilityResolveTag)
	}
	if _, ok := p.Registry.(PushDecoder); ok {
		caps = append(caps, CapabilityDecodePush)
	}
	if p.Streams != nil {
		caps = append(caps, CapabilityListen, CapabilityDial)
	}
	if p.Objects != nil {
		caps = append(caps, CapabilityObjects)
	}
	slices.Sort(caps)
	return Description{
		Name: p.Name, Version: p.Version, Kind: p.Kind,
		ConfigSchema: strings.TrimSpace(p.ConfigSchema), Capabilities: slices.Compact(caps),
	}
}
