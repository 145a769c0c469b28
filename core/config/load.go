package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/muster-sec/muster/core/fault"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Sources are where values come from, weakest first: defaults, file,
// environment, flags.
type Sources struct {
	File    string            // path; empty means no file
	Environ []string          // "NAME=value", as os.Environ gives them
	Flags   map[string]string // by Setting.Flag; only those that were given
}

// Load reads and merges the sources and validates the outcome. Errors say
// where the value came from: file and line, variable or flag.
func Load(src Sources) (Config, error) {
	cfg := Default()
	if src.File != "" {
		if err := readFile(src.File, &cfg); err != nil {
			return Config{}, err
		}
	}
	env := environ(src.Environ)
	for _, s := range Settings() {
		for _, from := range []struct {
			name   string
			values map[string]string
			key    string
		}{{s.Env, env, s.Env}, {"--" + s.Flag, src.Flags, s.Flag}} {
			text, ok := from.values[from.key]
			if !ok {
				continue
			}
			if err := assign(s.field(&cfg), text); err != nil {
				return Config{}, fault.New(fault.Invalid, "config: %s: %w", from.name, err)
			}
		}
	}
	if err := cfg.Validate(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// environ keeps the variables that have a value: an empty one counts as unset,
// because container platforms cannot remove a variable that an image sets.
func environ(pairs []string) map[string]string {
	values := map[string]string{}
	for _, pair := range pairs {
		if name, value, _ := strings.Cut(pair, "="); value != "" && strings.HasPrefix(name, envPrefix) {
			values[name] = value
		}
	}
	return values
}

func readFile(path string, cfg *Config) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Invalid, "config: %w", err).WithHint("give the file with --config, or none at all: every setting has a default")
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("config: read %s: %w", path, err)
	}
	if err := parse(body, cfg); err != nil {
		return fault.New(fault.Invalid, "config: %s: %w", path, err)
	}
	return nil
}

// parse decodes one YAML document over what cfg already holds.
func parse(body []byte, cfg *Config) error {
	if len(body) > maxFile {
		return fmt.Errorf("larger than %d bytes", maxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return plain(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("holds more than one document")
	}
	if err := checkKeys(&doc, cfg); err != nil {
		return err
	}
	return plain(doc.Decode(cfg))
}

// plain takes the library's name out of its messages.
func plain(err error) error {
	if err == nil {
		return nil
	}
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		return errors.New(strings.Join(typed.Errors, "; "))
	}
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}
