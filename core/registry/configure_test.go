package registry_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestSettingsOfThePlugin(t *testing.T) {
	t.Parallel()
	base := model.Registry{Name: "shop", Type: "oci", URL: "https://registry.example", Settings: map[string]any{
		"region": "eu", "concurrency": 4.0, "webhook_secret": "correct horse",
	}}
	kept := map[string]string{"webhook_secret": `"correct horse"`}
	tests := map[string]struct {
		change   func(*model.Registry)
		settings map[string]any
		secrets  map[string]string
		refused  bool
	}{
		"nothing":           {func(*model.Registry) {}, map[string]any{"region": "eu", "concurrency": 4.0}, kept, false},
		"one, and null":     {func(r *model.Registry) { r.Settings["region"], r.Settings["concurrency"] = "us", nil }, map[string]any{"region": "us"}, kept, false},
		"secret anew":       {func(r *model.Registry) { r.Settings["webhook_secret"] = "other" }, map[string]any{"region": "eu", "concurrency": 4.0}, map[string]string{"webhook_secret": `"other"`}, false},
		"secret taken away": {func(r *model.Registry) { r.Settings["webhook_secret"] = nil }, map[string]any{"region": "eu", "concurrency": 4.0}, nil, false},
		"unknown":           {func(r *model.Registry) { r.Settings["wrong"] = 1.0 }, nil, nil, true},
		"a field of its own": {func(r *model.Registry) {
			r.Settings["password"] = "x"
		}, nil, nil, true},
		"other address":          {func(r *model.Registry) { r.URL = "https://elsewhere.example" }, nil, nil, true},
		"other API":              {func(r *model.Registry) { r.Settings["api"] = "https://elsewhere.example" }, nil, nil, true},
		"other address, secrets": {func(r *model.Registry) { r.URL, r.Settings["webhook_secret"] = "https://elsewhere.example", "x" }, map[string]any{"region": "eu", "concurrency": 4.0}, map[string]string{"webhook_secret": `"x"`}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			r := base
			r.Settings = map[string]any{"region": "eu", "concurrency": 4.0, "webhook_secret": "correct horse"}
			h.add(t, r)
			for _, suffix := range []string{"", "-wal"} {
				if body, err := os.ReadFile(h.path + suffix); err != nil || bytes.Contains(body, []byte("correct horse")) {
					t.Errorf("muster.db%s shows the secret, or %v", suffix, err)
				}
			}
			saved, err := h.Get(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			change := saved.Registry
			change.SecretSettings = nil // they never come back from whoever was shown the registry
			test.change(&change)
			if _, err := h.Test(t.Context(), model.System(), change); (fault.KindOf(err) == fault.Invalid) != test.refused {
				t.Errorf("test: %v", err)
			}
			if err := h.Update(t.Context(), model.System(), change); (fault.KindOf(err) == fault.Invalid) != test.refused {
				t.Errorf("update: %v", err)
			}
			if test.refused {
				return
			}
			if saved, err = h.Get(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.settings, saved.Settings); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			var secrets map[string]string
			for name, value := range saved.SecretSettings {
				if secrets == nil {
					secrets = map[string]string{}
				}
				secrets[name] = value.Reveal()
			}
			if diff := cmp.Diff(test.secrets, secrets); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
			if text, err := json.Marshal(saved); err != nil || bytes.Contains(text, []byte("horse")) {
				t.Errorf("as JSON it shows a secret, or %v: %s", err, text)
			}
		})
	}
}
