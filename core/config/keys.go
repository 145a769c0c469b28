package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkKeys refuses every key of a document that the target's type does not
// have, each with its line and the nearest key that exists. The walk follows
// the type, so its depth does not depend on the document.
func checkKeys(doc *yaml.Node, target any) error {
	return errors.Join(unknownKeys(doc, reflect.TypeOf(target).Elem(), "")...)
}

func unknownKeys(node *yaml.Node, typ reflect.Type, path string) []error {
	for node.Kind == yaml.DocumentNode || node.Kind == yaml.AliasNode {
		if node.Alias != nil {
			node = node.Alias
			continue
		}
		if len(node.Content) == 0 {
			return nil
		}
		node = node.Content[0]
	}
	var errs []error
	switch {
	case typ.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for i, item := range node.Content {
			errs = append(errs, unknownKeys(item, typ.Elem(), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case typ.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		known := fieldsOf(typ)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			at := strings.TrimPrefix(path+"."+key.Value, ".")
			if field, ok := known[key.Value]; ok {
				errs = append(errs, unknownKeys(value, field, at)...)
				continue
			}
			errs = append(errs, fmt.Errorf("line %d: unknown key %q%s", key.Line, at, suggest(key.Value, path, typ)))
		}
	}
	return errs
}

// fieldsOf maps a struct's YAML keys to the types of their values.
func fieldsOf(typ reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type, typ.NumField())
	for f := range typ.Fields() {
		fields[f.Tag.Get("yaml")] = f.Type
	}
	return fields
}

// suggest names the key of typ that is nearest to what was written, or all of
// them when nothing is near.
func suggest(key, path string, typ reflect.Type) string {
	var names []string
	for f := range typ.Fields() { // in the order of declaration
		names = append(names, f.Tag.Get("yaml"))
	}
	if near, ok := nearest(key, names); ok {
		return fmt.Sprintf("; did you mean %q?", strings.TrimPrefix(path+"."+near, "."))
	}
	return "; known here: " + strings.Join(names, ", ")
}

// nearest is the name within a third of key's length, at least two edits.
func nearest(key string, names []string) (string, bool) {
	const longest = 64 // beyond it nothing is near, and the table would be large
	if len(key) > longest {
		return "", false
	}
	best, limit := "", max(2, len(key)/3)+1
	for _, name := range names {
		if d := distance(key, name); d < limit {
			best, limit = name, d
		}
	}
	return best, best != ""
}

// distance is the number of bytes to insert, remove or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
