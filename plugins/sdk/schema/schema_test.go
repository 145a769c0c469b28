package schema_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/schema"
)

const registrySchema = `{"type": "object", "additionalProperties": false, "required": ["url"], "properties": {
  "url": {"type": "string", "pattern": "^https?://"},
  "password": {"type": "string", "writeOnly": true, "pattern": "^[a-z0-9]+$", "minLength": 3, "maxLength": 9},
  "mode": {"enum": ["fast", "slow"]},
  "rate": {"type": "integer", "minimum": 1},
  "login": {"type": "object", "properties": {"token": {"writeOnly": true}}},
  "keys": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string", "writeOnly": true}},
  "more": {"patternProperties": {"^x-": {"writeOnly": true}}, "additionalProperties": {"anyOf": [{"type": "integer"}, {"writeOnly": true}]}}
}}`

func TestValidate(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(registrySchema)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ cfg, want string }{
		"fits":         {`{"url":"https://x","password":"hunter2","rate":3}`, ""},
		"empty":        {``, "is missing url"},
		"no JSON":      {`{"password":"hunter2`, "not JSON"},
		"trailing":     {`{"url":"https://x"}{}`, "not JSON"},
		"unknown":      {`{"url":"https://x","no such setting":1}`, "there is no setting no such setting"},
		"type":         {`{"url":"https://x","rate":"hunter2"}`, "rate: is of type string, not integer"},
		"enum":         {`{"url":"https://x","mode":"hunter2"}`, "mode: is not one of [fast slow]"},
		"pattern":      {`{"url":"https://x","password":"Hunter2"}`, "password: does not match ^[a-z0-9]+$"},
		"short":        {`{"url":"https://x","password":"h2"}`, "at least 3"},
		"long":         {`{"url":"https://x","password":"hunter2hunter2"}`, "at most 9"},
		"other":        {`{"url":"https://x","rate":0}`, `rate: does not fulfil "minimum"`},
		"not object":   {`["hunter2"]`, "is of type array, not object"},
		"several":      {`{"rate":"hunter2"}`, "is missing url; rate: is of type"},
		"too large":    {`"` + strings.Repeat("x", sdk.MaxConfig) + `"`, "the limit is"},
		"huge number":  {`{"url":"https://x","rate":1e999999999}`, "too large an exponent"},
		"long number":  {`{"url":"https://x","rate":` + strings.Repeat("9", 1000) + `}`, "too long"},
		"deeply wrong": {`{"url":"https://x","login":7}`, "login: is of type number, not object"},
	}
	for name, tt := range tests {
		err := s.Validate(sdk.Config(tt.cfg))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if err != nil && (!errors.Is(err, sdk.ErrInvalid) || strings.Contains(strings.ToLower(err.Error()), "hunter2")) {
			t.Errorf("%s: %v is no ErrInvalid or repeats a value", name, err)
		}
	}
	if err := s.Validate(sdk.Config(`{"url":1,"password":1,"mode":1,"rate":"","login":1,"keys":1,"a":1,"b":1}`)); len(err.Error()) > 600 {
		t.Errorf("too many words: %v", err)
	}
}

func TestNoConfiguration(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(" ")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Validate(nil), s.Validate(sdk.Config(`{}`))); err != nil {
		t.Error(err)
	}
	if err := s.Validate(sdk.Config(`{"url":"x"}`)); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a configuration where none is taken: %v", err)
	}
	if got := s.Secrets(sdk.Config(`{"password":"x"}`)); got != nil {
		t.Errorf("secrets: %v", got)
	}
}

func TestCompile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"not JSON":      {"{", "not JSON"},
		"not an object": {`{"type":"string"}`, "object"},
		"a list":        {`[]`, "object"},
		"reference":     {`{"type":"object","properties":{"a":{"$ref":"#"}}}`, "$ref"},
		"a file":        {`{"type":"object","allOf":[{"$dynamicRef":"file:///etc/passwd"}]}`, "$dynamicRef"},
		"dialect":       {`{"type":"object","$schema":"file:///etc/passwd"}`, "nothing outside itself"},
		"wrong keyword": {`{"type":"object","properties":7}`, "does not compile"},
		"wrong pattern": {`{"type":"object","patternProperties":{"(":{}}}`, "patternProperties"},
		"too large":     {`{"type":"object","title":"` + strings.Repeat("x", schema.MaxSize) + `"}`, "the limit is"},
		"huge number":   {`{"type":"object","properties":{"a":{"minimum":-1E+999999999}}}`, "too large an exponent"},
		"too deep":      {`{"type":"object","not":` + strings.Repeat(`{"not":`, 100) + `{}` + strings.Repeat(`}`, 101), "levels deep"},
	}
	for name, tt := range tests {
		_, err := schema.Compile(tt.text)
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, err := schema.Compile(`{"type":"object","properties":{"$ref":{"type":"string"}}}`); err != nil {
		t.Errorf("a setting may have any name: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(registrySchema)
	if err != nil {
		t.Fatal(err)
	}
	got := s.Secrets(sdk.Config(`{"url":"https://x","password":"s1","login":{"token":{"deep":["s2",42]},"user":"me"},
		"keys":["open","s3","s4"],"more":{"x-key":"s5","other":"s6"},"mode":true}`))
	slices.Sort(got)
	if diff := cmp.Diff([]string{"42", "s1", "s2", "s3", "s4", "s5", "s6"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.Secrets(sdk.Config(`{`)); got != nil {
		t.Errorf("secrets of what is no JSON: %v", got)
	}
}

func TestUnmarked(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(`{"type":"object","properties":{"apiToken":{},"password":{"writeOnly":true},"url":{},"client_secret":{"type":"string"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"apiToken", "client_secret"}, s.Unmarked()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzSchema: whatever a plugin publishes and an administrator writes, the host
// survives it, and its words never repeat a secret.
func FuzzSchema(f *testing.F) {
	f.Add(registrySchema, `{"url":"https://x","password":"hunter2"}`)
	f.Add(`{"type":"object","properties":{"a":{"$ref":"#"}}}`, `{"a":{}}`)
	f.Add(`{"type":"object","items":{"writeOnly":true},"if":{"properties":{"x":{"const":1}}},"then":false}`, `{"x":1}`)
	f.Add(`{"type":"object","properties":{"x":{"multipleOf":1e-99}}}`, `{"x":1e400}`)
	f.Add(`{"type":"object","unevaluatedProperties":false,"dependentSchemas":{"a":{"minProperties":2}}}`, `{"a":[]}`)
	f.Fuzz(func(t *testing.T, text, cfg string) {
		s, err := schema.Compile(text)
		if err != nil {
			if !errors.Is(err, sdk.ErrInvalid) {
				t.Errorf("%v is no ErrInvalid", err)
			}
			return
		}
		if err := s.Validate(sdk.Config(cfg)); err != nil && !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%v is no ErrInvalid", err)
		}
		s.Secrets(sdk.Config(cfg))
		s.Unmarked()
	})
}

func TestSecretNames(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(registrySchema)
	if err != nil {
		t.Fatal(err)
	}
	got := s.SecretNames(sdk.Config(`{"url":"https://x","password":"","login":{"token":"s2"},"keys":["open"],"more":{"x-key":"s5"},"mode":"fast"}`))
	if diff := cmp.Diff([]string{"login", "more", "password"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.SecretNames(sdk.Config(`{`)); got != nil {
		t.Errorf("secrets of what is no JSON: %v", got)
	}
	if diff := cmp.Diff([]string{"keys", "login", "mode", "more", "password", "rate", "url"}, s.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	none, err := schema.Compile("")
	if err != nil || none.SecretNames(sdk.Config(`{"a":1}`)) != nil || len(none.Names()) != 0 {
		t.Errorf("a plugin without configuration has settings, or %v", err)
	}
}

func TestTyped(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile(`{"type":"object","properties":{"text":{"type":"string"},"number":{"type":"integer"},"flag":{"type":"boolean"},
		"list":{"type":"array"},"either":{"type":["integer","string"]},"any":{}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		want       any
	}{
		{"text", "12", "12"}, {"text", "true", "true"}, {"number", "12", 12.0}, {"number", "many", "many"}, {"flag", "true", true},
		{"list", `["a"]`, []any{"a"}}, {"either", "12", "12"}, {"any", "12", "12"}, {"unknown", "12", "12"}, {"number", "", ""},
	} {
		if diff := cmp.Diff(tt.want, s.Typed(tt.name, tt.text)); diff != "" {
			t.Errorf("%s=%s (-want +got):\n%s", tt.name, tt.text, diff)
		}
	}
}
