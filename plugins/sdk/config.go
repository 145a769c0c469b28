package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Config is the configuration a call is about: a JSON object that fits the
// schema the plugin publishes. It may hold secrets and therefore never shows
// its content when it is printed or logged.
type Config json.RawMessage

// Decode reads the configuration into v, a pointer to a struct. It refuses
// unknown keys, trailing bytes and more than MaxConfig bytes with an error that
// is ErrInvalid; an empty configuration reads as {}.
func (c Config) Decode(v any) error {
	if len(c) > MaxConfig {
		return fmt.Errorf("%w: the configuration has %d bytes, the limit is %d", ErrInvalid, len(c), MaxConfig)
	}
	raw := []byte(c)
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: the configuration does not fit the plugin's schema: %w", ErrInvalid, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: the configuration goes on after its end", ErrInvalid)
	}
	return nil
}

// String returns a placeholder, because a configuration may hold secrets.
func (c Config) String() string { return "[configuration]" }

// GoString returns a placeholder, because a configuration may hold secrets.
func (c Config) GoString() string { return c.String() }

// LogValue returns a placeholder, because a configuration may hold secrets.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
