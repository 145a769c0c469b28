package plughost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
)

// settingsOf is the configuration that a registry plugin gets: what every
// registry has, and the plugin's own settings. It is the one place where the
// registry's secrets leave their type.
func settingsOf(r model.Registry) (sdk.Config, error) {
	base, err := sdk.RegistrySettings{
		URL: r.URL, Username: r.Username, Password: r.Password.Reveal(), Token: r.Token.Reveal(),
		Repositories: r.Repositories, CA: r.CACert,
	}.Config()
	if err != nil || len(r.Settings)+len(r.SecretSettings) == 0 {
		return base, err
	}
	all := map[string]json.RawMessage{}
	for name, value := range r.Settings {
		if all[name], err = json.Marshal(value); err != nil {
			return nil, fmt.Errorf("encoding setting %s of %s: %w", name, r.Name, err)
		}
	}
	for name, value := range r.SecretSettings {
		all[name] = json.RawMessage(value.Reveal())
	}
	if err := json.Unmarshal(base, &all); err != nil { // last: its fields cannot be set otherwise
		return nil, fmt.Errorf("encoding the settings of %s: %w", r.Name, err)
	}
	return json.Marshal(all)
}

func credentialOf(c sdk.Credential) model.Credential {
	return model.Credential{
		Username: c.Username, Password: model.Secret(c.Password), Token: model.Secret(c.Token), ExpiresAt: c.Expires,
	}
}

func stepsOf(steps []sdk.Step) []model.DiagnosisStep {
	out := make([]model.DiagnosisStep, 0, len(steps))
	for _, s := range steps {
		out = append(out, model.DiagnosisStep{Name: s.Name, OK: s.OK, Detail: s.Detail, Hint: s.Fix})
	}
	return out
}

// documentOf converts what an ingest plugin found. Digests that are none were
// refused by the plugin or are left out here.
func documentOf(d sdk.Document) model.Document {
	s := d.Subject
	out := model.Document{
		Tool: s.Tool, ToolVersion: s.ToolVersion,
		Digest: digestOf(s.Digest), ImageID: digestOf(s.ImageID), Reference: referenceOf(s), ScannedAt: s.Created,
		Image: model.Image{
			Digest: digestOf(s.Digest), ImageID: digestOf(s.ImageID), Platform: platformOf(s.Platform),
			OS: model.OS{Family: s.OSFamily, Version: s.OSVersion},
		},
		Packages: make([]model.Package, 0, len(d.Packages)), Findings: make([]model.Finding, 0, len(d.Findings)),
		Warnings: d.Warnings,
	}
	for _, id := range s.DiffIDs {
		out.Image.Layers = append(out.Image.Layers, model.Layer{DiffID: digestOf(id)})
	}
	for _, p := range d.Packages {
		out.Packages = append(out.Packages, model.Package{
			Name: p.Name, Version: p.Version, Type: p.Ecosystem, SourceName: p.SourceName, SourceVersion: p.SourceVersion,
			Arch: p.Arch, Path: p.Path, Layer: digestOf(p.Layer), PURL: p.PURL,
		})
	}
	for _, f := range d.Findings {
		out.Findings = append(out.Findings, model.Finding{
			ID: f.ID, Package: f.Package, Installed: f.InstalledVersion, Fixed: f.FixedVersion, Type: f.Ecosystem,
			Path: f.Path, Layer: digestOf(f.Layer), Severity: severityOf(f.Severity), Status: f.Status, Score: f.Score,
			Title: f.Title, URL: f.URL, Published: f.Published,
		})
	}
	return out
}

func severityOf(s sdk.Severity) model.Severity {
	switch s {
	case sdk.SeverityCritical:
		return model.Critical
	case sdk.SeverityHigh:
		return model.High
	case sdk.SeverityMedium:
		return model.Medium
	case sdk.SeverityLow:
		return model.Low
	default:
		return model.Unknown
	}
}

func digestOf(s string) model.Digest {
	d, err := model.ParseDigest(s)
	if err != nil {
		return ""
	}
	return d
}

func platformOf(s string) model.Platform {
	parts := strings.SplitN(s, "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return model.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

// referenceOf is HOST/REPOSITORY:TAG, as far as the document names them.
func referenceOf(s sdk.Subject) string {
	ref := s.Repository
	if s.Registry != "" {
		ref = s.Registry + "/" + ref
	}
	if s.Tag != "" {
		ref += ":" + s.Tag
	}
	return ref
}

// faultOf gives errors of plugins a kind that core knows. What a registry
// thinks of a credential of ours says nothing about who called us, so it does
// not become Unauthenticated or Denied.
func faultOf(err error) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ErrUnknown):
		return fault.New(fault.NotFound, "%w", err).WithHint("`muster plugin list` shows what is declared and built in")
	case errors.Is(err, ErrFailed), errors.Is(err, ErrStopped):
		return fault.New(fault.Unavailable, "%w", err).WithHint("`muster plugin list` shows the state of plugins; the daemon's log has what they wrote")
	case errors.Is(err, sdk.ErrInvalid):
		return fault.New(fault.Invalid, "%w", err)
	case errors.Is(err, sdk.ErrLimit):
		return fault.New(fault.TooLarge, "%w", err)
	case errors.Is(err, sdk.ErrNotFound):
		return fault.New(fault.NotFound, "%w", err)
	case errors.Is(err, sdk.ErrUnsupported):
		return fault.New(fault.Unsupported, "%w", err)
	case errors.Is(err, sdk.ErrUnauthorized), errors.Is(err, sdk.ErrDenied):
		return fault.New(fault.Unavailable, "%w", err).WithHint("the registry refuses the credential: `muster registry test` shows at which step")
	case errors.Is(err, sdk.ErrUnavailable):
		unavailable := fault.New(fault.Unavailable, "%w", err)
		if after, ok := sdk.RetryAfter(err); ok {
			return unavailable.WithRetryAfter(after)
		}
		return unavailable
	default:
		return err
	}
}
