package plughost

import (
	"encoding/json"
	"net/url"
	"regexp"

	ingestv1 "github.com/muster-sec/muster/plugins/proto/ingest/v1"
	registryv1 "github.com/muster-sec/muster/plugins/proto/registry/v1"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/schema"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

// learn remembers the secrets of a configuration: those that the schema marks,
// and the ones of every registry, which are secrets whatever a schema says.
func (s *supervisor) learn(marks *schema.Schema, cfg sdk.Config) {
	secrets := marks.Secrets(cfg)
	var known struct {
		Username any `json:"username"`
		Password any `json:"password"`
		Token    any `json:"token"`
	}
	if json.Unmarshal(cfg, &known) == nil && s.decl.Kind == sdk.KindRegistry {
		for _, value := range []any{known.Password, known.Token} {
			if text, ok := value.(string); ok {
				secrets = append(secrets, text)
			}
		}
	}
	short := s.secrets.add(secrets...)
	if user, ok := known.Username.(string); ok {
		for _, secret := range secrets {
			s.secrets.addLogin(user, secret)
		}
	}
	if short > 0 {
		s.tooShort("configuration")
	}
}

// tooShort says once what cannot be done for the plugin's secrets.
func (s *supervisor) tooShort(where string) {
	s.short.Do(func() {
		s.log.Warn("a secret is too short to be masked in logs and errors of the plugin; use a longer one", "in", where, "shortest", minSecret)
	})
}

var secretVariable = regexp.MustCompile(`(?i)pass|secret|token|key|credential|auth`)

// minWord is the length below which a variable's value is taken for a word
// such as "true" or "debug" unless its name says that it is a secret.
const minWord = 6

// learnEnvironment remembers the values of the declared environment, and the
// passwords in them that are part of a URL.
func (s *supervisor) learnEnvironment() {
	for name, value := range s.decl.Env {
		text := value.Reveal()
		secret := secretVariable.MatchString(name)
		if len(text) < minWord && !secret {
			continue
		}
		short := s.secrets.add(text)
		if u, err := url.Parse(text); err == nil {
			if password, ok := u.User.Password(); ok {
				short += s.secrets.add(password)
				s.secrets.addLogin(u.User.Username(), password)
			}
		}
		if short > 0 {
			s.tooShort("environment")
		}
	}
}

// maskAnswer takes the secrets out of what a plugin says to people. What it
// tells the host stays as it is: a credential is the secret, and a name, a
// digest or a version with something taken out would be another one. A
// repository may well be called what is somebody's password.
func (s *supervisor) maskAnswer(reply any) {
	switch m := reply.(type) {
	case *registryv1.DiagnoseResponse:
		for _, step := range m.GetSteps() {
			step.Name, step.Detail, step.Fix = s.secrets.mask(step.GetName()), s.secrets.mask(step.GetDetail()), s.secrets.mask(step.GetFix())
		}
	case *ingestv1.ParseResponse:
		if w := m.GetWarning(); w != nil {
			w.Message = s.secrets.mask(w.GetMessage())
		}
		for _, f := range m.GetFindings().GetFindings() {
			f.Title, f.Description = s.secrets.mask(f.GetTitle()), s.secrets.mask(f.GetDescription())
		}
	}
}

// maskReport takes the secrets out of what the conformance suite quotes.
func (s *supervisor) maskReport(r *sdktest.Report) {
	r.Plugin.Version = s.secrets.mask(r.Plugin.Version)
	for i := range r.Results {
		result := &r.Results[i]
		result.Problem, result.Fix, result.Skipped = s.secrets.mask(result.Problem), s.secrets.mask(result.Fix), s.secrets.mask(result.Skipped)
	}
}
