// Package schema holds the configuration of a call against the JSON Schema that
// the plugin publishes, before the plugin sees it, and finds the secrets in it.
//
// A schema comes from a plugin and is therefore not believed: its size is
// limited, it refers to nothing (no "$ref"), so that checking takes time in
// proportion to its size, and what is said about a configuration that does not
// fit never repeats a value.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/muster-sec/muster/plugins/sdk"
)

// MaxSize is the size in bytes that a schema may have.
const MaxSize = 64 << 10

// address names the schema inside the compiler; nothing is ever fetched.
const address = "urn:muster:plugin-configuration"

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	tree     map[string]any // nil: the plugin takes no configuration
	compiled *jsonschema.Schema
	patterns map[string]*regexp.Regexp // of all patternProperties
}

// Compile reads a schema: a JSON Schema (2020-12) of type "object". An empty
// text is the schema of a plugin that takes no configuration. What is wrong
// with a schema is an error that is sdk.ErrInvalid.
func Compile(text string) (*Schema, error) {
	if strings.TrimSpace(text) == "" {
		return &Schema{}, nil
	}
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%w: the schema has %d bytes, the limit is %d", sdk.ErrInvalid, len(text), MaxSize)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%w: the schema is not JSON: %w", sdk.ErrInvalid, err)
	}
	tree, ok := doc.(map[string]any)
	if !ok || tree["type"] != "object" {
		return nil, fmt.Errorf(`%w: the schema is not one of "type": "object"`, sdk.ErrInvalid)
	}
	s := &Schema{tree: tree, patterns: map[string]*regexp.Regexp{}}
	if err := s.inspect(tree, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nothing{})
	if err := compiler.AddResource(address, doc); err != nil {
		return nil, fmt.Errorf("%w: the schema: %w", sdk.ErrInvalid, err)
	}
	if s.compiled, err = compiler.Compile(address); err != nil {
		return nil, fmt.Errorf("%w: the schema does not compile: %w", sdk.ErrInvalid, err)
	}
	return s, nil
}

// nothing loads nothing: a schema must not make a host read files.
type nothing struct{}

var errOutside = errors.New("a schema refers to nothing outside itself")

func (nothing) Load(string) (any, error) { return nil, errOutside }

// maxDepth bounds how deeply a schema nests.
const maxDepth = 64

// inspect refuses what a compiler would follow or what costs without bound, and
// collects the patterns.
func (s *Schema) inspect(node any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the schema nests more than %d levels deep", maxDepth)
	}
	switch node := node.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(node)) {
			if err := s.inspectKey(key, node[key]); err != nil {
				return err
			}
			if err := s.inspect(node[key], depth+1); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range node {
			if err := s.inspect(item, depth+1); err != nil {
				return err
			}
		}
	case json.Number:
		return checkNumber(node)
	}
	return nil
}

func (s *Schema) inspectKey(key string, value any) error {
	switch key {
	case "$ref", "$dynamicRef", "$recursiveRef", "$id", "$vocabulary":
		if _, text := value.(string); text {
			return fmt.Errorf("the schema uses %q: write it out in one piece", key)
		}
	case "patternProperties":
		patterns, _ := value.(map[string]any)
		for pattern := range patterns {
			re, err := regexp.Compile(pattern)
			if err != nil {
				return fmt.Errorf("a pattern of patternProperties: %w", err)
			}
			s.patterns[pattern] = re
		}
	}
	return nil
}

// Validate returns all that does not fit, as an error that is sdk.ErrInvalid
// and names properties, never values. An empty configuration reads as {}.
func (s *Schema) Validate(cfg sdk.Config) error {
	doc, err := decode(cfg)
	if err != nil {
		return err
	}
	if s.compiled == nil {
		if object, ok := doc.(map[string]any); ok && len(object) == 0 {
			return nil
		}
		return fmt.Errorf("%w: the plugin takes no configuration", sdk.ErrInvalid)
	}
	err = s.compiled.Validate(doc)
	var wrong *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: the configuration does not fit the plugin's schema: %s", sdk.ErrInvalid, explain(wrong))
	default:
		return fmt.Errorf("%w: the configuration does not fit the plugin's schema", sdk.ErrInvalid)
	}
}

func decode(cfg sdk.Config) (any, error) {
	if len(cfg) > sdk.MaxConfig {
		return nil, fmt.Errorf("%w: the configuration has %d bytes, the limit is %d", sdk.ErrInvalid, len(cfg), sdk.MaxConfig)
	}
	if len(bytes.TrimSpace(cfg)) == 0 {
		return map[string]any{}, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(cfg))
	if err != nil { // the decoder's own words would repeat what it read
		return nil, fmt.Errorf("%w: the configuration is not JSON", sdk.ErrInvalid)
	}
	if err := checkNumbers(doc); err != nil {
		return nil, fmt.Errorf("%w: the configuration: %w", sdk.ErrInvalid, err)
	}
	return doc, nil
}
