package plughost

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestConfigure(t *testing.T) {
	t.Parallel()
	r := frugalHost(t)
	tests := map[string]struct {
		settings map[string]any
		kept     map[string]model.Secret
		want     map[string]any
		secret   []string
		problem  string
	}{
		"nothing":            {nil, nil, nil, nil, ""},
		"typed":              {map[string]any{"concurrency": 4.0, "api_url": "12"}, nil, map[string]any{"concurrency": 4.0, "api_url": "12"}, nil, ""},
		"typed by hand":      {map[string]any{"concurrency": "4"}, nil, map[string]any{"concurrency": 4.0}, nil, ""},
		"no such setting":    {map[string]any{"concurency": 4.0}, nil, nil, nil, "there is no setting concurency"},
		"wrong type":         {map[string]any{"concurrency": "many"}, nil, nil, nil, "concurrency: is of type string, not integer"},
		"out of range":       {map[string]any{"concurrency": 0.0}, nil, nil, nil, "concurrency: "},
		"a secret":           {map[string]any{"webhook_secret": "hunter2"}, nil, map[string]any{"webhook_secret": "hunter2"}, []string{"password", "webhook_secret"}, ""},
		"a secret from then": {nil, map[string]model.Secret{"webhook_secret": `"hunter2"`}, nil, []string{"password", "webhook_secret"}, ""},
		"a wrong secret":     {nil, map[string]model.Secret{"webhook_secret": `{"hunter2":1}`}, nil, nil, "webhook_secret: is of type object, not string"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := model.Registry{Name: "shop", Type: "frugal", URL: "https://r.example", Settings: test.settings, SecretSettings: test.kept}
			if test.secret != nil {
				reg.Password = "p"
			}
			got, secret, err := r.Configure(t.Context(), reg)
			if test.problem != "" {
				if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.problem) || !strings.Contains(fault.HintOf(err), "api_url, ca, concurrency") {
					t.Errorf("%v (%s), hint %q; want %q", err, fault.KindOf(err), fault.HintOf(err), test.problem)
				}
				if strings.Contains(err.Error()+fault.HintOf(err), "hunter2") {
					t.Errorf("the message repeats a value: %v", err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(test.secret, secret); diff != "" {
				t.Errorf("secret (-want +got):\n%s", diff)
			}
		})
	}
	if _, _, err := r.Configure(t.Context(), model.Registry{Type: "frugal"}); err == nil || !strings.Contains(err.Error(), "is missing url") {
		t.Errorf("without an address: %v", err)
	}
	if _, _, err := r.Configure(t.Context(), model.Registry{Type: "nexus"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a type that is not there: %v", err)
	}
}

// What the host itself puts into a configuration cannot be set by a setting.
func TestSettingsReachThePlugin(t *testing.T) {
	t.Parallel()
	cfg, err := settingsOf(model.Registry{
		URL: "https://r.example", Username: "me", Settings: map[string]any{"concurrency": 4.0, "region": "eu", "url": "https://elsewhere"},
		SecretSettings: map[string]model.Secret{"webhook_secret": `"hunter2"`},
	})
	var got map[string]any
	if err := json.Unmarshal(cfg, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"url": "https://r.example", "username": "me", "concurrency": 4.0, "region": "eu", "webhook_secret": "hunter2"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
