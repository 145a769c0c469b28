package identity

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// Keys gives all API keys by name, without their secrets.
func (s *Service) Keys(ctx context.Context) ([]model.APIKey, error) {
	keys, err := s.keys.APIKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("identity: list API keys: %w", err)
	}
	return keys, nil
}

// AddKey makes an API key and gives its text "name:secret", which is not kept.
// Faults: Invalid, Denied (a federated role), Conflict (the name is taken).
func (s *Service) AddKey(ctx context.Context, actor model.Actor, key model.APIKey) (added model.APIKey, text string, err error) {
	defer func() { s.record(ctx, actor, "apikey.add", key.Name, err) }()
	if err := checkName("an API key", key.Name); err != nil {
		return model.APIKey{}, "", err
	}
	if err := s.mayGive(ctx, actor, key.Role); err != nil {
		return model.APIKey{}, "", err
	}
	now := s.now()
	if !key.ExpiresAt.IsZero() && !key.ExpiresAt.After(now) {
		return model.APIKey{}, "", fault.New(fault.Invalid, "identity: an API key cannot end in the past")
	}
	secret := randomText(tokenBytes)
	added = model.APIKey{Name: key.Name, Role: key.Role, CreatedBy: actor.Name, CreatedAt: now, ExpiresAt: key.ExpiresAt}
	if err := s.keys.AddAPIKey(ctx, added, hashToken(secret)); err != nil {
		return model.APIKey{}, "", fmt.Errorf("identity: add API key: %w", err)
	}
	return added, key.Name + ":" + secret, nil
}

// RemoveKey removes an API key, which stops working at once.
func (s *Service) RemoveKey(ctx context.Context, actor model.Actor, name string) (err error) {
	defer func() { s.record(ctx, actor, "apikey.remove", name, err) }()
	key, _, err := s.keys.APIKey(ctx, name)
	if err != nil {
		return fmt.Errorf("identity: remove API key: %w", err)
	}
	if err := mayTouch(actor, key.Role); err != nil {
		return err
	}
	if err := s.keys.RemoveAPIKey(ctx, name); err != nil {
		return fmt.Errorf("identity: remove API key: %w", err)
	}
	return nil
}

// AuthenticateKey gives who an API key "name:secret" is, or an Unauthenticated fault.
func (s *Service) AuthenticateKey(ctx context.Context, text string) (model.Actor, error) {
	name, secret, ok := strings.Cut(text, ":")
	if !ok || checkName("an API key", name) != nil {
		return model.Actor{}, wrongKey()
	}
	key, want, err := s.keys.APIKey(ctx, name)
	known := err == nil
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return model.Actor{}, fmt.Errorf("identity: authenticate: %w", err)
	}
	right := subtle.ConstantTimeCompare([]byte(hashToken(secret)), []byte(want)) == 1
	if !known || !right {
		return model.Actor{}, wrongKey()
	}
	if !key.ExpiresAt.IsZero() && !s.now().Before(key.ExpiresAt) {
		return model.Actor{}, fault.New(fault.Unauthenticated, "identity: API key %s ended at %s", name, key.ExpiresAt.Format("2006-01-02 15:04 MST")).
			WithHint("make a new one: muster apikey create")
	}
	return model.Actor{Name: key.Name, Role: key.Role, Source: model.AccountAPIKey}, nil
}

func wrongKey() error { return fault.New(fault.Unauthenticated, "identity: unknown or wrong API key") }
