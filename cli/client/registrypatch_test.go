package client_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/core/httpapi/api"
)

// TestRegistryPatch: applying a patch here and decoding its JSON over the same
// registry, as the daemon does, agree in every field.
func TestRegistryPatch(t *testing.T) {
	t.Parallel()
	before := api.Registry{
		Name: "r", Type: "oci", URL: "https://old", Repositories: []string{"a"}, Filters: []string{"b"}, Schedule: "@daily", Username: "u",
		Settings: map[string]any{"region": "eu", "old": true},
	}
	patches := map[string]client.RegistryPatch{
		"nothing": {},
		"everything": {
			URL: new("https://new"), Repositories: &[]string{"x", "y"}, Filters: &[]string{"z"}, Platforms: &[]string{"linux/arm64"},
			Schedule: new("@hourly"), Username: new("v"), Password: "p", Token: "t", Settings: map[string]any{"account": "1", "old": nil}, CACert: new("pem"), RescanAfterDBUpdate: new(false),
		},
		"emptied": {Repositories: &[]string{}, Filters: &[]string{}, Schedule: new(""), Username: new("")},
	}
	for name, p := range patches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			daemon := before
			daemon.Settings = maps.Clone(before.Settings)
			daemon.Repositories, daemon.Filters = []string{"a"}, []string{"b"}
			if err := json.Unmarshal(wire, &daemon); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(daemon, p.Apply(before)); diff != "" {
				t.Errorf("registry (-daemon +applied):\n%s", diff)
			}
		})
	}
}
