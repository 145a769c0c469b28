package v1

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/intake"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// fill sets every field of a value, so that a field that a conversion forgets
// shows up as zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7_000_000)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(7.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	}
}

func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem())
	return v
}

// zeroes names the fields of a value that are zero.
func zeroes(v reflect.Value, path string) (names []string) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return zeroes(v.Elem(), path)
	case v.Kind() == reflect.Slice && v.Len() > 0:
		return zeroes(v.Index(0), path+"[0]")
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			names = append(names, zeroes(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
	case v.IsZero():
		names = []string{path}
	}
	return names
}

func TestConversionsForgetNothing(t *testing.T) {
	t.Parallel()
	known := []policy.KnownVerdict{filled[policy.KnownVerdict]()}
	tests := []struct {
		name  string
		shown any
		zero  []string // meant to stay so
	}{
		{"account", accountToAPI(filled[model.Account]()), []string{".Password"}},
		{"API key", apiKeyToAPI(filled[model.APIKey]()), []string{".Key"}},
		{"audit event", auditToAPI(filled[model.AuditEvent]()), nil},
		{"federation", federationToAPI(filled[model.Membership](), filled[model.FedSettings]()), nil},
		{"token", tokenToAPI(filled[model.JoinToken](), time.Time{}), []string{".Token"}},
		{"cluster", clusterToAPI(filled[model.Cluster]()), []string{".Lag"}},
		{"registry", registryToAPI(filled[model.RegistryStatus](), ""), []string{".Password", ".Token"}},
		{"run", runToAPI(filled[model.Run]()), nil},
		{"step", stepToAPI(filled[model.DiagnosisStep]()), nil},
		{"image", reportToAPI(filled[model.ImageReport](), known), []string{".Image.DB.Stale", ".Verdicts[0].DB.Stale"}},
		{"receipt", receiptToAPI(filled[intake.Receipt]()), nil},
		{"CI result", ciResultToAPI(filled[model.CIResult]()), nil},
		{"rule", ruleToAPI(filled[policy.Rule]()), nil},
		{"decision", decisionToAPI(filled[admission.Decision]()), []string{".Containers[0].Results[0].DB.Stale"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.zero, zeroes(reflect.ValueOf(tt.shown), "")); diff != "" {
			t.Errorf("%s (-meant to be zero +zero):\n%s", tt.name, diff)
		}
	}
}

func TestWhatAClientMaySetSurvivesBothWays(t *testing.T) {
	t.Parallel()
	registry := filled[model.Registry]()
	shown := registryToAPI(model.RegistryStatus{Registry: registry}, "")
	shown.Password, shown.Token = registry.Password.Reveal(), registry.Token.Reveal()
	registry.CreatedAt, registry.UpdatedAt, registry.SecretSettings, registry.PushKey = time.Time{}, time.Time{}, nil, "" // the daemon's own
	if diff := cmp.Diff(registry, registryToModel(shown)); diff != "" {
		t.Errorf("registry (-want +got):\n%s", diff)
	}
	rule := filled[policy.Rule]()
	rule.Unreadable = "" // the daemon's own
	if diff := cmp.Diff(rule, ruleToModel(ruleToAPI(rule))); diff != "" {
		t.Errorf("rule (-want +got):\n%s", diff)
	}
	settings := filled[model.FedSettings]()
	if diff := cmp.Diff(settings, fedSettingsToModel(fedSettingsToAPI(settings))); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestTokenStates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	valid := model.JoinToken{ExpiresAt: now.Add(time.Second), MaxUses: 2, Uses: 1}
	used, expired, revoked := valid, valid, valid
	used.Uses, expired.ExpiresAt, revoked.Revoked = 2, now, true
	for want, token := range map[string]model.JoinToken{"valid": valid, "used": used, "expired": expired, "revoked": revoked} {
		if got := tokenState(token, now); got != want {
			t.Errorf("%s: %s", want, got)
		}
	}
}

func TestTheFirstVerdictCounts(t *testing.T) {
	t.Parallel()
	own := model.Verdict{Source: model.SourceScan, Counts: model.Counts{High: 1}}
	ci := model.Verdict{Source: model.SourceCI, Counts: model.Counts{High: 9}, ScannedAt: time.Unix(5, 0)}
	shown := imageToAPI(model.ImageSummary{Verdicts: []model.Verdict{own, ci, ci}})
	if shown.Counts.High != 1 || !cmp.Equal(shown.Sources, []string{"ci", "scan"}) || !shown.ScannedAt.IsZero() {
		t.Errorf("image %+v", shown)
	}
	shown = imageToAPI(model.ImageSummary{Verdicts: []model.Verdict{ci}, Tags: []model.Tag{{Host: "h", Repository: "r", Digest: "sha256:1"}}})
	if shown.Counts.High != 9 || !shown.ScannedAt.Equal(time.Unix(5, 0)) || shown.Names[0] != "h/r@sha256:1" {
		t.Errorf("image %+v", shown)
	}
	if shown = imageToAPI(model.ImageSummary{}); shown.Names == nil {
		t.Error("names are null")
	}
}
