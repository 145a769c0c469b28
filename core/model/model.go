// Package model holds core's own values: clusters, registries, images,
// findings, verdicts, accounts. It is data with the rules of that data and
// imports nothing but the standard library and core/fault. JSON tags are for
// what core itself stores and federates; the APIs have types of their own.
package model

import (
	"encoding/hex"
	"log/slog"
	"strings"

	"github.com/muster-sec/muster/core/fault"
)

// Digest names content: "sha256:" and 64 lower-case hex digits.
type Digest string

// ParseDigest accepts the long form only.
func ParseDigest(s string) (Digest, error) {
	sum, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(sum) != 64 || strings.ToLower(sum) != sum {
		return "", fault.New(fault.Invalid, "%q is not a digest", s).WithHint("a digest is sha256: and 64 hex digits")
	}
	if _, err := hex.DecodeString(sum); err != nil {
		return "", fault.New(fault.Invalid, "%q is not a digest: %w", s, err).WithHint("a digest is sha256: and 64 hex digits")
	}
	return Digest(s), nil
}

// Platform is what an image runs on, "linux/arm64/v8" in its text form.
type Platform struct {
	OS           string `json:"os,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Variant      string `json:"variant,omitempty"`
}

// String is the form the field uses, empty for an unknown platform.
func (p Platform) String() string {
	if p.OS == "" && p.Architecture == "" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Secret is text that never shows itself: printing, logging and JSON give a mask.
type Secret string

const mask = "****"

// Reveal gives the text, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String masks.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks.
func (s Secret) GoString() string { return s.String() }

// LogValue masks.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks, in JSON too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Origin says where a fact comes from: this cluster itself or the primary.
type Origin string

// The origins.
const (
	Local     Origin = "local"
	Federated Origin = "fed"
)

// FederatedPrefix begins the name of every federated object.
const FederatedPrefix = "fed."

// IsFederatedName tells a federated object by its name.
func IsFederatedName(name string) bool { return strings.HasPrefix(name, FederatedPrefix) }
