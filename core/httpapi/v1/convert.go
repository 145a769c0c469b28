package v1

import (
	"maps"
	"slices"
	"time"

	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

func accountToAPI(a model.Account) api.Account {
	return api.Account{Username: a.Username, Role: string(a.Role), CreatedAt: a.CreatedAt, LastLogin: a.LastLogin}
}

func apiKeyToAPI(k model.APIKey) api.APIKey {
	return api.APIKey{Name: k.Name, Role: string(k.Role), CreatedBy: k.CreatedBy, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt}
}

func auditToAPI(e model.AuditEvent) api.AuditEvent {
	return api.AuditEvent{Time: e.Time, Actor: e.Actor, Action: e.Action, Target: e.Target, Outcome: e.Outcome}
}

func federationToAPI(m model.Membership, s model.FedSettings) api.Federation {
	return api.Federation{
		Role: string(m.Role), ClusterID: m.ClusterID, ClusterName: m.ClusterName,
		FederationID: m.FederationID, Advertise: m.Advertise,
		PrimaryName: m.PrimaryName, Primary: m.PrimaryAddress, Since: m.Since,
		Settings: fedSettingsToAPI(s),
	}
}

func fedSettingsToAPI(s model.FedSettings) api.FedSettings {
	return api.FedSettings{FedSync: api.FedSync{CIResults: s.SyncCIResults}}
}

func fedSettingsToModel(s api.FedSettings) model.FedSettings {
	return model.FedSettings{SyncCIResults: s.FedSync.CIResults}
}

func tokenToAPI(t model.JoinToken, now time.Time) api.Token {
	return api.Token{
		ID: t.ID, CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
		MaxUses: t.MaxUses, Uses: t.Uses, State: tokenState(t, now),
	}
}

// tokenState names the strongest reason why a token is of no use.
func tokenState(t model.JoinToken, now time.Time) string {
	switch {
	case t.Revoked:
		return "revoked"
	case t.Uses >= t.MaxUses:
		return "used"
	case !now.Before(t.ExpiresAt):
		return "expired"
	}
	return "valid"
}

func clusterToAPI(c model.Cluster) api.Cluster {
	return api.Cluster{
		ID: c.ID, Name: c.Name, Role: string(c.Role), Address: c.Address,
		Status: string(c.Status), Reason: c.Reason, Version: c.Version,
		JoinedAt: c.JoinedAt, LastSeen: c.LastSeen,
		Head: c.Head, Applied: c.Applied, Lag: c.Head - min(c.Applied, c.Head),
		ClockOffsetMS: c.ClockOffset.Milliseconds(),
		Summary: api.ClusterSummary{
			Images: c.Summary.Images, Rules: c.Summary.Rules,
			DBRevision: c.Summary.DBRevision, DBUpdatedAt: c.Summary.DBUpdatedAt,
			DecisionsDay: c.Summary.DecisionsDay,
		},
	}
}

// registryToAPI never shows a secret, only whether there is one.
func registryToAPI(s model.RegistryStatus, cluster model.ClusterRole) api.Registry {
	rescan := s.RescanAfterDBUpdate
	shown := api.Registry{
		Name: s.Name, Type: s.Type, URL: s.URL, Repositories: s.Repositories, Filters: s.Filters,
		Schedule: s.Schedule, Username: s.Username, HasPassword: s.Password != "", HasToken: s.Token != "",
		Settings: maps.Clone(s.Settings), SecretSettings: slices.Sorted(maps.Keys(s.SecretSettings)),
		CACert: s.CACert, Platforms: s.Platforms, RescanAfterDBUpdate: &rescan,
		Origin: string(s.Origin()), State: registryState(s, cluster), Images: s.Images,
		NextRun: s.NextRun, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
	if s.LastRun != nil {
		run := runToAPI(*s.LastRun)
		shown.LastRun = &run
	}
	return shown
}

func registryState(s model.RegistryStatus, cluster model.ClusterRole) string {
	switch {
	case cluster == model.Managed && s.Federated():
		return "remote"
	case s.LastRun != nil && !s.LastRun.State.Final():
		return "scanning"
	}
	return "idle"
}

// registryToModel takes what a client may set; the rest of the body is state.
func registryToModel(r api.Registry) model.Registry {
	return model.Registry{
		Name: r.Name, Type: r.Type, URL: r.URL, Repositories: r.Repositories, Filters: r.Filters,
		Schedule: r.Schedule, Username: r.Username, Password: model.Secret(r.Password), Token: model.Secret(r.Token),
		Settings: r.Settings, CACert: r.CACert, Platforms: r.Platforms,
		RescanAfterDBUpdate: r.RescanAfterDBUpdate == nil || *r.RescanAfterDBUpdate,
	}
}

func runToAPI(r model.Run) api.Run {
	return api.Run{
		ID: r.ID, Registry: r.Registry, Trigger: string(r.Trigger), State: string(r.State),
		StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
		Listed: r.Listed, Scanned: r.Scanned, Unchanged: r.Unchanged, Unsupported: r.Unsupported, Failed: r.Failed,
		Error: r.Error, Warning: r.Warning,
		ExpectedAt: r.ExpectedAt, WaitingUntil: r.WaitingUntil, WaitingFor: r.WaitingFor,
	}
}

func stepToAPI(s model.DiagnosisStep) api.DiagnosisStep {
	return api.DiagnosisStep{Name: s.Name, OK: s.OK, Detail: s.Detail, Hint: s.Hint, Warning: s.Warning}
}
