package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Changes are the keys, as in the file, whose values differ between two
// configurations. Values are not told: some are secret.
func Changes(before, after Config) []string {
	var keys []string
	for _, s := range Settings() {
		if !reflect.DeepEqual(s.field(&before), s.field(&after)) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// PluginChanges says, in words and without values, what differs between two
// lists of declared plugins. An executable is known by path and checksum.
func PluginChanges(before, after []Plugin) []string {
	var changes []string
	for _, b := range before {
		if find(after, b) < 0 {
			changes = append(changes, fmt.Sprintf("%s/%s removed", b.Kind, b.Name))
		}
	}
	last, order := -1, true
	for _, a := range after {
		at := find(before, a)
		if at < 0 {
			changes = append(changes, fmt.Sprintf("%s/%s added", a.Kind, a.Name))
			continue
		}
		order, last = order && at > last, at
		if what := a.differs(before[at]); len(what) > 0 {
			changes = append(changes, fmt.Sprintf("%s/%s changed: %s", a.Kind, a.Name, strings.Join(what, ", ")))
		}
	}
	if !order {
		changes = append(changes, "order changed")
	}
	return changes
}

func find(list []Plugin, p Plugin) int {
	return slices.IndexFunc(list, func(o Plugin) bool { return o.Kind == p.Kind && o.Name == p.Name })
}

// differs are the keys in which two declarations of one plugin differ.
func (p Plugin) differs(other Plugin) []string {
	var keys []string
	for _, k := range []struct {
		key  string
		same bool
	}{
		{"path", p.Path == other.Path}, {"sha256", strings.EqualFold(p.SHA256, other.SHA256)},
		{"args", slices.Equal(p.Args, other.Args)}, {"env", maps.Equal(p.Env, other.Env)}, {"limits", p.Limits == other.Limits},
	} {
		if !k.same {
			keys = append(keys, k.key)
		}
	}
	return keys
}
