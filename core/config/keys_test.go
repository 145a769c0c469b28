package config

import (
	"reflect"
	"testing"
)

// leafKeys lists the keys of a value that hold no struct, "scan.workers" and
// so on.
func leafKeys(prefix string, v any) []string {
	var keys []string
	typ, val := reflect.TypeOf(v), reflect.ValueOf(v)
	for i := range typ.NumField() {
		key := prefix + typ.Field(i).Tag.Get("yaml")
		if typ.Field(i).Type.Kind() == reflect.Struct {
			keys = append(keys, leafKeys(key+".", val.Field(i).Interface())...)
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"listen", "fed_listen", "log", "scan"}
	for key, want := range map[string]string{
		"listn": "listen", "fedlisten": "fed_listen", "lgo": "log", "scna": "scan", "Log": "log",
		"completely_else": "", "": "",
	} {
		if got, ok := nearest(key, names); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
