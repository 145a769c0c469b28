package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Secrets returns the values in cfg that the schema marks with "writeOnly":
// true, at any depth. A configuration that is not JSON has none.
func (s *Schema) Secrets(cfg sdk.Config) []string {
	if s.tree == nil {
		return nil
	}
	doc, err := decode(cfg)
	if err != nil {
		return nil
	}
	var values []string
	s.secrets(s.tree, doc, &values)
	return values
}

// secrets walks a schema and a value beside each other.
func (s *Schema) secrets(node, value any, found *[]string) {
	rule, ok := node.(map[string]any)
	if !ok {
		return
	}
	if rule["writeOnly"] == true {
		leaves(value, found)
		return
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		branches, _ := rule[key].([]any)
		for _, branch := range branches {
			s.secrets(branch, value, found)
		}
	}
	for _, key := range []string{"if", "then", "else"} {
		s.secrets(rule[key], value, found)
	}
	switch value := value.(type) {
	case map[string]any:
		s.secretsOfObject(rule, value, found)
	case []any:
		prefix, _ := rule["prefixItems"].([]any)
		for i, item := range value {
			if i < len(prefix) {
				s.secrets(prefix[i], item, found)
			} else {
				s.secrets(rule["items"], item, found)
			}
		}
	}
}

func (s *Schema) secretsOfObject(rule, object map[string]any, found *[]string) {
	named, _ := rule["properties"].(map[string]any)
	patterns, _ := rule["patternProperties"].(map[string]any)
	for name, value := range object {
		child, known := named[name]
		if known {
			s.secrets(child, value, found)
		}
		for pattern, child := range patterns {
			if s.patterns[pattern].MatchString(name) {
				known = true
				s.secrets(child, value, found)
			}
		}
		if !known {
			s.secrets(rule["additionalProperties"], value, found)
		}
	}
}

// leaves are all texts and numbers below a value.
func leaves(value any, found *[]string) {
	switch value := value.(type) {
	case string:
		*found = append(*found, value)
	case json.Number:
		*found = append(*found, value.String())
	case []any:
		for _, item := range value {
			leaves(item, found)
		}
	case map[string]any:
		for _, item := range value {
			leaves(item, found)
		}
	}
}

// SecretNames returns the top-level properties of cfg that hold values which
// Secrets returns, in order.
func (s *Schema) SecretNames(cfg sdk.Config) []string {
	if s.tree == nil {
		return nil
	}
	doc, err := decode(cfg)
	if err != nil {
		return nil
	}
	object, _ := doc.(map[string]any)
	var names []string
	for name, value := range object {
		var values []string
		if s.secrets(s.tree, map[string]any{name: value}, &values); len(values) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Names returns the top-level properties that the schema names, in order.
func (s *Schema) Names() []string {
	properties, _ := s.tree["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties))
}

// Typed reads a text that somebody typed as the value of a top-level property:
// as JSON where the schema wants something else than a text, or else as it is.
func (s *Schema) Typed(name, text string) any {
	properties, _ := s.tree["properties"].(map[string]any)
	rule, _ := properties[name].(map[string]any)
	var types []string
	switch kind := rule["type"].(type) {
	case string:
		types = []string{kind}
	case []any:
		for _, k := range kind {
			if k, ok := k.(string); ok {
				types = append(types, k)
			}
		}
	}
	if len(types) == 0 || slices.Contains(types, "string") {
		return text
	}
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text // and the schema will say what is wrong with it
	}
	return value
}

// Unmarked returns the names of top-level properties that look like secrets
// and are not marked as such, in order.
func (s *Schema) Unmarked() []string {
	properties, _ := s.tree["properties"].(map[string]any)
	var names []string
	for name, property := range properties {
		rule, _ := property.(map[string]any)
		if rule["writeOnly"] != true && looksSecret(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func looksSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"password", "passwd", "token", "secret", "private_key", "privatekey"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
